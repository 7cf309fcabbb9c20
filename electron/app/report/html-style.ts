/** The window's colours (renderer/ui/tokens.css), for a file that stands alone. */
export const STYLE = `
:root { color-scheme: light; --paper: #f7f7f5; --surface: #fff; --line: #e4e4df; --ink: #17181c; --ink-2: #4a4c54; --ink-3: #666873; --active: #0b62c4; --suspended: #6a4bb0;
  --problem: #b3321f; --problem-soft: #fbe6e1; --idle: #8a5a00; --idle-soft: #fbefd6; --gain: #00694e; --gain-mark: #0f8f6d; --gain-soft: #dcf2ea; --bar-before: #b4b5b0; --bar-expected: #777983 }
@media (prefers-color-scheme: dark) { :root { color-scheme: dark; --paper: #121317; --surface: #191a1f; --line: #2a2c33; --ink: #f1f1ee; --ink-2: #bdbfc7; --ink-3: #979aa5; --active: #7db4ff; --suspended: #bda6f2;
  --problem: #ff9a85; --problem-soft: #3d1d16; --idle: #e7b457; --idle-soft: #33280f; --gain: #5fd3ae; --gain-mark: #2fae88; --gain-soft: #10322a; --bar-before: #5a5d68; --bar-expected: #9a9da8 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 Inter, system-ui, sans-serif; font-variant-numeric: tabular-nums }
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0; letter-spacing: -.01em; overflow-wrap: anywhere }
h2 { font-size: 1.1rem; margin: 0 0 .25rem }
p { margin: .25rem 0 }
.kicker { color: var(--ink-3); font-size: .8rem; letter-spacing: .04em; margin: 0 0 .5rem }
.subtitle, .note { color: var(--ink-2) }
.note { font-size: .87rem; max-width: 46rem }
.hero { margin: 1.5rem 0 1rem; padding: 1.25rem 1.5rem; border-radius: 12px; background: var(--surface); border: 1px solid var(--line); border-left: 6px solid var(--ink-3) }
.hero.gain { border-left-color: var(--gain-mark) } .hero.loss { border-left-color: var(--problem) }
.hero p { color: var(--ink-2); max-width: 48rem } .hero .headline { font-size: 1.55rem; line-height: 1.3; font-weight: 600; color: var(--ink); margin: .5rem 0 .75rem; letter-spacing: -.01em }
.badge { display: inline-block; padding: .1rem .7rem; border-radius: 99px; font-size: .8rem; font-weight: 600; background: var(--line); color: var(--ink) }
.gain .badge { background: var(--gain-soft); color: var(--gain) } .loss .badge { background: var(--problem-soft); color: var(--problem) }
.warning { background: var(--idle-soft); color: var(--idle); border-radius: 8px; padding: .6rem 1rem; margin: .5rem 0 }
section, figure { margin: 2.25rem 0 0 } figure { padding: 1.25rem 1.5rem; background: var(--surface); border: 1px solid var(--line); border-radius: 12px }
figcaption { font-weight: 600; font-size: 1.1rem; margin-bottom: .75rem }
.chart svg { display: block; width: 100%; height: auto } .chart .narrow { display: none }
.scroll { overflow-x: auto; margin-top: .6rem; border: 1px solid var(--line); border-radius: 10px; background: var(--surface) }
table { border-collapse: collapse; width: 100%; font-size: .88rem }
th, td { text-align: left; padding: .5rem .8rem; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: break-word; min-width: 4.2rem }
td:first-child { min-width: 9rem; overflow-wrap: anywhere } .t-steps td:nth-child(n+3) { overflow-wrap: anywhere } .t-steps td:first-child { min-width: 3rem } .t-steps { font-size: .82rem } .t-steps td { min-width: 5.5rem } .t-steps td:nth-child(3), .t-undo td:first-child { min-width: 11rem }
th { color: var(--ink-2); font-weight: 600; font-size: .8rem; vertical-align: bottom; overflow-wrap: normal } tbody tr:last-child td { border-bottom: 0 } .n { text-align: right } td.n { white-space: nowrap }
.total td { font-weight: 600; border-top: 2px solid var(--line) }
ul { margin: .4rem 0 0; padding-left: 1.2rem; color: var(--ink-2) } li { margin: .3rem 0; max-width: 48rem }
dl { display: flex; flex-wrap: wrap; gap: .75rem 2.5rem; margin: .5rem 0 0 } dt { color: var(--ink-3); font-size: .8rem } dd { margin: 0; font-weight: 600 }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--ink-3); font-size: .82rem }
:focus-visible { outline: 2px solid var(--active); outline-offset: 2px }
@media (max-width: 40rem) { .t-steps, .t-undo { min-width: 54rem } main { padding: 1.5rem 1rem 3rem } .hero, figure { padding: 1rem } .hero .headline { font-size: 1.25rem } .chart .wide { display: none } .chart .narrow { display: block } }
@media print { @page { margin: 16mm } :root { color-scheme: light; --paper: #fff; --surface: #fff; --line: #d8d8d2; --ink: #000; --ink-2: #333; --ink-3: #555; --active: #0b62c4; --suspended: #6a4bb0; --problem: #b3321f; --problem-soft: #fbe6e1; --idle: #8a5a00; --idle-soft: #fbefd6;
    --gain: #00694e; --gain-mark: #0f8f6d; --gain-soft: #dcf2ea; --bar-before: #b4b5b0; --bar-expected: #777983 }
  body { font-size: 10.5pt; -webkit-print-color-adjust: exact; print-color-adjust: exact } main { max-width: none; padding: 0 } figure, tr, .hero { break-inside: avoid } h2 { break-after: avoid } .scroll { overflow: visible } .chart .wide { display: block } .chart .narrow { display: none }
  table { font-size: 8.5pt } th, td { padding: .3rem .4rem; min-width: 0 !important } thead { display: table-header-group } }
`
