import { ArrowDown, ArrowUp } from 'lucide-react'
import {
  createColumnHelper,
  createExpandedRowModel,
  createSortedRowModel,
  rowExpandingFeature,
  rowSelectionFeature,
  rowSortingFeature,
  tableFeatures,
  useTable,
  type ExpandedState,
  type Row,
  type SortingState,
} from '@tanstack/react-table'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react'
import { pin, resume, suspendedIds } from '../../stores/acts.ts'
import { openAsking } from '../../stores/flow.ts'
import { useLifecycle } from '../../stores/lifecycle.ts'
import { Checkbox } from '../../ui/field.tsx'
import { Acts, Cell, NameCell } from './cells.tsx'
import { sortKey, type AgentRow, type Column } from './rows.ts'

const features = tableFeatures({
  rowSortingFeature,
  rowExpandingFeature,
  rowSelectionFeature,
  sortedRowModel: createSortedRowModel(),
  expandedRowModel: createExpandedRowModel(),
})
type Features = typeof features
type TableRow = Row<Features, AgentRow>

const columns: readonly { id: Column; head: string; hint: string; numeric: boolean }[] = [
  { id: 'name', head: 'Agent', hint: 'Kind and project; its processes inside', numeric: false },
  { id: 'state', head: 'State', hint: 'Active, idle or suspended, and why', numeric: false },
  { id: 'cost', head: 'Cost, MB', hint: 'PSS plus what its swapped pages take in the compressed pool', numeric: true },
  { id: 'pss', head: 'PSS, MB', hint: 'Its own pages and its share of common ones', numeric: true },
  { id: 'swap', head: 'Swap, MB', hint: 'Its share of swapped pages, uncompressed', numeric: true },
  { id: 'uss', head: 'USS, MB', hint: 'What would come free if it ended: pages nobody else has', numeric: true },
  { id: 'idle', head: 'Idle', hint: 'Since when it has done nothing', numeric: true },
  { id: 'age', head: 'Age', hint: 'Since it was started', numeric: true },
]

/** The height of a row in the style sheet, which grows with the base size of the text. */
const rowPx = (): number => 2.25 * Number.parseFloat(getComputedStyle(document.documentElement).fontSize)
const helper = createColumnHelper<Features, AgentRow>()

/**
 * Rows are ordered by the figures of the moment the order was asked for, not
 * by the live ones, so nothing moves under the pointer; who arrives later is
 * put in by its first figures.
 */
const useFrozen = (rows: readonly AgentRow[], order: string): ReadonlyMap<string, AgentRow> => {
  const [frozen, setFrozen] = useState<{ order: string; rows: ReadonlyMap<string, AgentRow> }>({ order, rows: new Map() })
  const all = rows.flatMap((row) => [row, ...row.children])
  const known = frozen.order === order ? frozen.rows : new Map<string, AgentRow>()
  const fresh = all.filter((row) => !known.has(row.id))
  if (fresh.length === 0) return known
  const next = new Map([...known, ...fresh.map((row): [string, AgentRow] => [row.id, row])])
  setFrozen({ order, rows: next })
  return next
}

interface Props {
  rows: AgentRow[]
  selected: Readonly<Record<string, true>>
  onSelect: (selected: Record<string, true>) => void
  onShow: (agentId: string) => void
  empty: string
}

/** Agents with their processes inside: sorted, selected, opened and walked by keyboard; only visible rows exist. */
export const AgentTable = ({ rows, selected, onSelect, onShow, empty }: Props) => {
  const [sorting, setSorting] = useState<SortingState>([{ id: 'cost', desc: true }])
  const [expanded, setExpanded] = useState<ExpandedState>({})
  const [focused, setFocused] = useState<string | null>(null)
  const box = useRef<HTMLDivElement>(null)
  const order = sorting.map((sort) => `${sort.id} ${sort.desc}`).join()
  const frozen = useFrozen(rows, order)

  const definitions = useMemo(
    () =>
      helper.columns(
        columns.map((column) =>
          helper.accessor((row) => sortKey(frozen.get(row.id) ?? row, column.id), { id: column.id, sortDescFirst: column.numeric, sortFn: (a, b, id) => {
            const x = a.getValue<string | number>(id)
            const y = b.getValue<string | number>(id)
            return x < y ? -1 : x > y ? 1 : 0
          } }),
        ),
      ),
    [frozen],
  )
  const table = useTable({
    features,
    data: rows,
    columns: definitions,
    getRowId: (row) => row.id,
    getSubRows: (row) => row.children,
    enableSortingRemoval: false,
    enableRowSelection: (row) => row.original.kind === 'agent',
    enableSubRowSelection: false,
    autoResetExpanded: false,
    state: { sorting, expanded, rowSelection: { ...selected } },
    onSortingChange: setSorting,
    onExpandedChange: setExpanded,
    onRowSelectionChange: (updater) => onSelect(typeof updater === 'function' ? updater({ ...selected }) : updater),
  })
  const visible = table.getExpandedRowModel().rows
  const virtual = useVirtualizer({ count: visible.length, getScrollElement: () => box.current, estimateSize: rowPx, overscan: 12, getItemKey: (index) => visible[index]?.id ?? index })

  const focusRow = (index: number): void => {
    const row = visible[Math.max(0, Math.min(visible.length - 1, index))]
    if (row === undefined) return
    setFocused(row.id)
    virtual.scrollToIndex(visible.indexOf(row))
  }
  useEffect(() => {
    if (focused === null || box.current === null || !box.current.contains(document.activeElement)) return
    // The row may have been drawn only by this scroll.
    const frame = requestAnimationFrame(() => box.current?.querySelector<HTMLElement>(`[data-row="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true }))
    return () => cancelAnimationFrame(frame)
  }, [focused])

  /** What a key acts on: the selected agents, else the one under the focus. */
  const meant = (row: TableRow): string[] => {
    const ids = rows.flatMap((entry) => (selected[entry.id] === true ? [entry.id] : []))
    return ids.length > 0 ? ids : [row.original.agent.id]
  }
  const command = (key: string, row: TableRow): boolean => {
    const ids = meant(row)
    const { byId } = useLifecycle.getState()
    if (key === 'S') openAsking({ of: 'suspend', ids })
    else if (key === 'R') resume(suspendedIds(ids))
    else if (key === 'P') void pin(ids, !ids.every((id) => byId.get(id)?.pinned === true))
    else return false
    return true
  }

  const press = (event: KeyboardEvent, row: TableRow, index: number): void => {
    // Keys of a menu that was opened from here arrive as well.
    if (!(event.target instanceof Node) || !event.currentTarget.contains(event.target)) return
    if (event.target instanceof HTMLButtonElement && event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return
    const steps: Record<string, number> = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: visible.length - 1, PageDown: index + 12, PageUp: index - 12 }
    const next = steps[event.key]
    if (next !== undefined) focusRow(next)
    else if (event.key === 'ArrowRight' && row.getCanExpand()) row.toggleExpanded(true)
    else if (event.key === 'ArrowLeft') {
      if (row.getIsExpanded()) row.toggleExpanded(false)
      else if (row.depth > 0) focusRow(visible.findIndex((other) => other.id === row.original.agent.id))
    } else if (event.key === ' ' && row.getCanSelect()) row.toggleSelected()
    else if (event.key === 'Enter') onShow(row.original.agent.id)
    else if (!command(event.key, row)) return
    event.preventDefault()
  }

  const first = visible.some((row) => row.id === focused) ? focused : (visible[0]?.id ?? null)
  const allIds = rows.map((row) => row.id)
  const chosen = allIds.filter((id) => selected[id] === true).length
  return (
    <div className="grid" role="treegrid" aria-label="Agents" aria-rowcount={visible.length + 1} aria-multiselectable="true" ref={box}>
      <div className="grid-head" role="rowgroup">
        <div className="grid-row" role="row" aria-rowindex={1}>
          <span role="columnheader" className="cell cell-check">
            <Checkbox
              hidden
              label="Select all shown"
              checked={chosen === 0 ? false : chosen === allIds.length ? true : 'indeterminate'}
              onChange={(on) => onSelect(on ? { ...selected, ...Object.fromEntries(allIds.map((id) => [id, true as const])) } : Object.fromEntries(Object.entries(selected).filter(([id]) => !allIds.includes(id))))}
            />
          </span>
          {columns.map((column) => {
            const sort = sorting.find((entry) => entry.id === column.id)
            return (
              <span
                key={column.id}
                role="columnheader"
                className={`cell cell-${column.id} ${column.numeric ? 'num' : ''}`}
                aria-sort={sort === undefined ? 'none' : sort.desc ? 'descending' : 'ascending'}
              >
                <button type="button" className="sorter" title={column.hint} onClick={() => table.getColumn(column.id)?.toggleSorting()}>
                  {column.head}
                  {sort !== undefined && (sort.desc ? <ArrowDown aria-hidden="true" /> : <ArrowUp aria-hidden="true" />)}
                </button>
              </span>
            )
          })}
          <span role="columnheader" className="cell cell-acts">
            <span className="sr-only">Actions</span>
          </span>
        </div>
      </div>
      <div className="grid-body" role="rowgroup" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((item) => {
          const row = visible[item.index]
          if (row === undefined) return null
          const { original } = row
          const open = row.getIsExpanded()
          return (
            <div
              key={row.id}
              role="row"
              data-row={row.id}
              className={`grid-row grid-${original.kind} ${selected[row.id] === true ? 'grid-selected' : ''}`}
              style={{ transform: `translateY(${item.start}px)` }}
              tabIndex={row.id === first ? 0 : -1}
              aria-rowindex={item.index + 2}
              aria-level={row.depth + 1}
              {...(original.kind === 'agent' ? { 'aria-expanded': open, 'aria-selected': selected[row.id] === true } : {})}
              onFocus={(event) => event.target === event.currentTarget && setFocused(row.id)}
              onKeyDown={(event) => press(event, row, item.index)}
              onClick={(event) => {
                if (event.target instanceof Element && event.currentTarget.contains(event.target) && event.target.closest('.cell-check, button') === null) onShow(original.agent.id)
              }}
            >
              <span role="gridcell" className="cell cell-check">
                {original.kind === 'agent' && (
                  <Checkbox hidden label={`Select ${original.agent.title} ${original.agent.name}`} checked={selected[row.id] === true} onChange={(on) => row.toggleSelected(on)} />
                )}
              </span>
              {columns.map((column) => (
                <span key={column.id} role="gridcell" className={`cell cell-${column.id} ${column.numeric ? 'num' : ''}`}>
                  {column.id === 'name' ? <NameCell row={original} open={open} onToggle={() => row.toggleExpanded()} /> : <Cell row={original} column={column.id} tabIndex={row.id === first ? 0 : -1} />}
                </span>
              ))}
              <span role="gridcell" className="cell cell-acts">
                {original.kind === 'agent' && <Acts row={original} tabIndex={row.id === first ? 0 : -1} />}
              </span>
            </div>
          )
        })}
        {visible.length === 0 && (
          <div role="row" className="grid-empty">
            <span role="gridcell">{empty}</span>
          </div>
        )}
      </div>
    </div>
  )
}
