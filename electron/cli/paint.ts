import { styleText } from 'node:util'

/** Colours on a terminal alone, and not where NO_COLOR or TERM=dumb say so: both are looked at by styleText. */
export const paint = (style: Parameters<typeof styleText>[0], text: string): string => styleText(style, text, { stream: process.stdout, validateStream: true })
