/** The choices with the present value among them, so that a hand-edited file is shown as it is. */
export const choicesWith = (choices: readonly { value: number; label: string }[], value: number, label: string): { value: string; label: string }[] =>
  (choices.some((choice) => choice.value === value) ? choices : [...choices, { value, label }]).map((choice) => ({ value: String(choice.value), label: choice.label }))
