#include "transfer/report/style.h"

namespace graft::transfer::report {

// Colours have one meaning throughout: green was trained, blue is frozen, red is wrong. None is the only
// carrier of its meaning, and text keeps a contrast of at least 4.5:1 in both schemes.
const char* const kStyle = R"css(
:root {
  color-scheme: light dark;
  --bg: #f6f7f4; --card: #ffffff; --ink: #18211d; --muted: #56635d; --rule: #e0e5e1; --faint: #eef1ee;
  --trained: #1b7a4b; --trained-rgb: 27 122 75; --frozen: #2a67ab; --wrong: #b23a2c; --wrong-rgb: 178 58 44;
  --on-strong: #ffffff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --bg: #0f1412; --card: #171e1b; --ink: #e6ede9; --muted: #9aaaa2; --rule: #2b3631; --faint: #1f2824;
    --trained: #63c993; --trained-rgb: 72 176 120; --frozen: #82b6f2; --wrong: #f28b7d;
  --wrong-rgb: 226 103 88;
    --on-strong: #06110b;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--bg); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif;
}
main { max-width: 1120px; margin: 0 auto; padding: 28px 24px 56px; }
h1, h2, h3, p, figure, dl { margin: 0; }
a { color: var(--frozen); }
code, .mono { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: .86em; }
.mono { overflow-wrap: anywhere; }

.top { display: flex; align-items: center; gap: 10px; color: var(--muted); font-size: 14px;
  margin-bottom: 18px; }
.top svg { width: 28px; height: 28px; flex: none; }
.top b { color: var(--ink); font-size: 17px; letter-spacing: -.01em; }
.top .where { margin-left: auto; text-align: right; overflow-wrap: anywhere; }

.hero { display: grid; grid-template-columns: minmax(270px, 4fr) 8fr; gap: 40px; align-items: center; }
.score { font-size: clamp(60px, 9vw, 96px); line-height: 1; letter-spacing: -.045em; font-weight: 650; }
.score small { font-size: .42em; letter-spacing: 0; font-weight: 500; color: var(--muted);
  margin-left: .12em; }
.score + p { color: var(--muted); margin-top: 10px; }
.hero h1 { font-size: clamp(21px, 2.6vw, 27px); line-height: 1.3; font-weight: 620;
  letter-spacing: -.012em; text-wrap: balance; }
.hero h1 em { font-style: normal; color: var(--trained); }
.hero h1 i { font-style: normal; color: var(--frozen); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(108px, 1fr)); gap: 14px 18px;
  margin-top: 22px; }
.facts dt { color: var(--muted); font-size: 13px; }
.facts dd { margin: 0; font-size: 19px; font-weight: 600; letter-spacing: -.01em;
  font-variant-numeric: tabular-nums; }
.facts dd span { font-size: 13px; font-weight: 400; color: var(--muted); letter-spacing: 0;
  display: block; }

section, .card { background: var(--card); border: 1px solid var(--rule); border-radius: 14px;
  padding: 24px 26px; margin-top: 20px; }
h2 { font-size: 18px; letter-spacing: -.01em; margin-bottom: 4px; }
h2 + p, .lead { color: var(--muted); margin-bottom: 16px; max-width: 78ch; }
.stages { display: grid; gap: 5px; grid-template-columns: repeat(auto-fill, minmax(94px, 1fr)); }
.stages li { border-radius: 8px; padding: 8px 6px; font-size: 12px;
  text-align: center; border: 1.5px solid var(--rule); overflow-wrap: anywhere; }
.stages { list-style: none; margin: 0; padding: 0; }
.stages li b { display: block; font-size: 12.5px; }
.stages li span { color: var(--muted); display: block; }
.stages li.frozen { border-style: dashed; border-color: var(--frozen); }
.stages li.trained { border-color: var(--trained); background: rgb(var(--trained-rgb) / .12); }
.stages li.stop { box-shadow: inset 5px 0 0 var(--trained); }
.maps { display: grid; grid-template-columns: 1fr 1fr; gap: 22px; }
.maps > figure:only-child { grid-column: 1 / -1; max-width: 560px; }
.maps svg { display: block; width: 100%; height: auto; border: 1px solid var(--rule); border-radius: 10px; }
.classes { display: flex; flex-wrap: wrap; gap: 4px 16px; margin-top: 12px; font-size: 13.5px; }
.classes svg { width: 13px; height: 13px; vertical-align: -1px; margin-right: 5px; }
@media (max-width: 720px) { .maps { grid-template-columns: 1fr; } }
h3 { font-size: 15px; margin: 18px 0 6px; }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: 20px; }
.two > section { margin-top: 20px; min-width: 0; }
.charts { display: grid; grid-template-columns: 1fr 1fr; gap: 22px; }
.charts > figure:only-child { grid-column: 1 / -1; max-width: 560px; }

figcaption { font-weight: 600; font-size: 14px; margin-bottom: 6px; }
figcaption span { font-weight: 400; color: var(--muted); }
.chart svg { display: block; width: 100%; height: auto; overflow: visible; }
.chart text { font-size: 13px; fill: var(--muted); font-variant-numeric: tabular-nums; }
.chart text.end { text-anchor: end; }
.chart text.middle { text-anchor: middle; }
.chart .grid { stroke: var(--rule); stroke-width: 1; }
.chart .line { fill: none; stroke: var(--muted); stroke-width: 2.2; stroke-linejoin: round;
  stroke-linecap: round; }
.chart .line.muted { stroke-width: 1.8; stroke-dasharray: 2 5; }
.chart .dot { fill: var(--muted); }
.chart .mark { stroke: var(--trained); stroke-width: 1.6; stroke-dasharray: 3 4; }
.chart .line.trained { stroke: var(--trained); } .chart .dot.trained { fill: var(--trained); }
.chart .line.frozen { stroke: var(--frozen); stroke-dasharray: 9 4; }
  .chart .dot.frozen { fill: var(--frozen); }
.chart .line.wrong { stroke: var(--wrong); stroke-dasharray: 1 5; }
  .chart .dot.wrong { fill: var(--wrong); }
.chart .line.plain { stroke: var(--ink); stroke-dasharray: 14 3 2 3; }
  .chart .dot.plain { fill: var(--ink); }
.chart .line.solid { stroke-dasharray: none; } .chart .line.dots { stroke-dasharray: 1.5 5; }
.chart .line.dashes { stroke-dasharray: 4 4; } .chart .line.mixed { stroke-dasharray: 12 4 2 4; }
.chart text.name { font-weight: 600; }
.chart text.name tspan { font-weight: 400; }
.chart text.trained { fill: var(--trained); } .chart text.frozen { fill: var(--frozen); }
.chart text.wrong { fill: var(--wrong); } .chart text.plain { fill: var(--ink); }
.chart rect.trained { fill: var(--trained); } .chart rect.frozen { fill: var(--frozen); }
  .chart rect.wrong { fill: var(--wrong); }

.bars .row { display: grid; grid-template-columns: minmax(110px, 36%) 1fr 70px; gap: 6px 14px;
  align-items: center; padding: 7px 0; }
.bars .who { font-size: 14px; color: var(--muted); overflow-wrap: anywhere; line-height: 1.35; }
.bars .who b { color: var(--ink); font-weight: 600; font-size: 15px; }
.bars .track { position: relative; height: 20px; background: var(--faint); border-radius: 5px; }
.bars .fill { height: 100%; border-radius: 5px; background: var(--muted); }
.bars .fill.trained { background: var(--trained); } .bars .fill.frozen { background: var(--frozen); }
.bars .fill.wrong { background: var(--wrong); }
.bars .whisker { position: absolute; top: 5px; bottom: 5px; border: solid var(--ink);
  border-width: 0 1.5px; }
.bars .whisker::after { content: ""; position: absolute; left: 0; right: 0; top: 50%;
  border-top: 1.5px solid var(--ink); }
.bars .value { font-weight: 600; font-variant-numeric: tabular-nums; text-align: right;
  white-space: nowrap; }

table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; max-width: 100%; }
.list { width: 100%; }
.list th { text-align: left; color: var(--muted); font-weight: 500; font-size: 13px; }
.list th, .list td { padding: 6px 12px 6px 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
.list .n { text-align: right; white-space: nowrap; }
.list small { color: var(--muted); font-size: 12px; }
.list tbody th { color: var(--ink); font-weight: 600; font-size: 14px; }
.confusion { border-spacing: 3px; border-collapse: separate; margin: 0 -3px; }
.confusion td { min-width: 50px; height: 42px; text-align: center; border-radius: 6px;
  background: var(--faint); color: var(--ink); }
.confusion thead td { background: none; }
.confusion td.right { background: rgb(var(--trained-rgb) / var(--v)); }
.confusion td.miss { background: rgb(var(--wrong-rgb) / var(--v)); }
.confusion td.strong { color: var(--on-strong); font-weight: 600; }
.confusion td.none { color: var(--muted); }
.confusion thead th { font-weight: 500; font-size: 13px; color: var(--muted); padding: 0 4px 4px;
  max-width: 90px; overflow-wrap: anywhere; vertical-align: bottom; }
.confusion tbody th { font-weight: 500; font-size: 13px; text-align: right; padding-right: 8px;
  max-width: 150px; overflow-wrap: anywhere; }

.wall { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 18px 16px; }
.wall figure { min-width: 0; }
.wall img { display: block; width: 100%; aspect-ratio: 1; object-fit: cover; border-radius: 10px;
  background: var(--faint); }
.wall .noimage { aspect-ratio: 1; border-radius: 10px; background: var(--faint); display: grid;
  place-items: center; color: var(--muted); font-size: 13px; }
.wall figcaption { font-weight: 400; font-size: 13px; line-height: 1.4; margin-top: 7px;
  overflow-wrap: anywhere; }
.wall .no { color: var(--wrong); font-weight: 600; } .wall .yes { color: var(--trained); font-weight: 600; }
.wall blockquote { margin: 0; font-size: 14px; line-height: 1.45; overflow-wrap: anywhere; }
.wall .file { color: var(--muted); font-size: 12px; }
.wall.small { grid-template-columns: repeat(auto-fill, minmax(92px, 1fr)); gap: 12px; }

.banner { border-left: 5px solid var(--wrong); }
.banner h2 { color: var(--wrong); }
.seal { display: flex; gap: 14px; align-items: baseline; flex-wrap: wrap; margin: 4px 0 10px; }
.seal .zero { font-size: 34px; font-weight: 650; letter-spacing: -.02em; color: var(--frozen);
  line-height: 1.1; }
.seal.broken .zero { color: var(--wrong); }
.digest { background: var(--faint); border-radius: 8px; padding: 8px 12px; font-size: 13px;
  overflow-wrap: anywhere; }
details { margin-top: 12px; }
summary { cursor: pointer; font-weight: 600; font-size: 14px; padding: 4px 0; }
summary span { font-weight: 400; color: var(--muted); }
details[open] summary { margin-bottom: 6px; }
.tall { max-height: 460px; overflow: auto; }
.pairs { display: grid; grid-template-columns: minmax(110px, auto) 1fr; gap: 5px 18px; font-size: 14px; }
.pairs dt { color: var(--muted); }
.pairs dd { margin: 0; overflow-wrap: anywhere; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 13px; color: var(--muted);
  margin-top: 8px; }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 6px;
  background: var(--muted); }
.legend .trained i { background: var(--trained); } .legend .frozen i { background: var(--frozen); }
  .legend .wrong i { background: var(--wrong); }
.columns { position: relative; height: 200px; margin: 10px 0 0 58px; }
.columns .level { position: absolute; left: 0; right: 0; border-top: 1px solid var(--rule); }
.columns .level span { position: absolute; right: 100%; margin-right: 8px; transform: translateY(-50%);
  font-size: 13px; color: var(--muted); white-space: nowrap; }
.columns .plot { position: absolute; inset: 0; display: flex; align-items: flex-end; gap: min(2px, .1%); }
.columns i { flex: 1 1 0; min-width: 0; max-width: 26px; border-radius: 2px 2px 0 0; }
.columns i.trained { background: var(--trained); } .columns i.wrong { background: var(--wrong); }
.columns i.frozen { height: 12px; margin-bottom: -17px; background: var(--frozen); border-radius: 2px; }
.ends { display: flex; justify-content: space-between; margin: 20px 0 0 58px; font-size: 13px;
  color: var(--muted); }
details.card section { border: 0; padding: 0; }
details.card > summary { font-size: 16px; }
.notes { margin: 0; padding-left: 20px; font-size: 14px; }
footer { color: var(--muted); font-size: 13px; margin-top: 22px; }

@media (max-width: 820px) {
  .hero, .two, .charts { grid-template-columns: minmax(0, 1fr); }
  .two { gap: 0; }
  .hero { gap: 22px; }
}
@media (max-width: 560px) {
  main { padding: 18px 14px 40px; }
  section, .card { padding: 18px 16px; border-radius: 12px; }
  .chart text { font-size: 16px; }
  .chart text.name { font-size: 14.5px; }
  .bars .row { grid-template-columns: 1fr auto; }
  .bars .who { grid-column: 1 / -1; margin-bottom: -4px; }
  .wall { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 14px 12px; }
  .wall.small { grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 8px; }
  .confusion td { min-width: 42px; height: 38px; }
  .confusion thead th { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left;
    white-space: nowrap; max-height: 150px; overflow: hidden; padding: 4px 0 0; font-size: 11.5px; }
  .confusion tbody th { max-width: 92px; font-size: 12px; }
  .top .where { display: none; }
}
@media print {
  body { background: none; } section { break-inside: avoid; } .tall { max-height: none; }
}
)css";

const char* const kMark = R"html(<svg viewBox="0 0 32 32" aria-hidden="true">
<path d="M16 31V15" stroke="var(--frozen)" stroke-width="4" stroke-linecap="round" fill="none"/>
<path d="M16 15C16 8 20 3 28 2c0 8-4 13-12 13z" fill="var(--trained)"/>
<path d="M16 20C16 14 12 10 4 10c0 7 4 10 12 10z" fill="var(--trained)" opacity=".65"/></svg>)html";

}  // namespace graft::transfer::report
