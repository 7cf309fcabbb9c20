import type { ReactNode } from 'react'

/** Head of a column: its words, or more where words are not all. */
export type Column =
  | string
  | {
      readonly head: ReactNode
      /** Where the head is no text. */
      readonly key?: string | number
      /** Figures: to the right, digits below digits. */
      readonly num?: boolean
      readonly className?: string
      readonly title?: string
    }

const keyOf = (column: Column, at: number): string | number => (typeof column === 'string' ? column : (column.key ?? (typeof column.head === 'string' ? column.head : at)))

const headOf = (column: Column, at: number) => {
  const { head, num = false, className = '', title } = typeof column === 'string' ? { head: column } : column
  const classes = `${num ? 'num ' : ''}${className}`.trim()
  return (
    <th key={keyOf(column, at)} scope="col" className={classes === '' ? undefined : classes} title={title}>
      {head}
    </th>
  )
}

/** A plain table; where the window is too narrow it scrolls by itself, also by keyboard. `children` are its rows. */
export const Table = ({ label, columns, className = '', children }: { label: string; columns: readonly Column[]; className?: string; children: ReactNode }) => (
  <div className="table-scroll" tabIndex={0} role="region" aria-label={label}>
    <table className={`table ${className}`.trim()}>
      <thead>
        <tr>{columns.map(headOf)}</tr>
      </thead>
      <tbody>{children}</tbody>
    </table>
  </div>
)
