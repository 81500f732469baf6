// Draws one page of the operations at a time: lanes to the right, the order of lines downwards.
'use strict';
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const STEP = 14, LANE = 152, ENDINGS = ['ok', 'fail', 'info'];
  // An operation is a list, since there are many: see `row_of` in timeline.rs.
  const [ORDINAL, PROCESS, F, KEY, VALUE, ENDING, INVOKE, COMPLETION, FROM, TO, RESULT, ERROR,
    NODE, CLIENT] = Array(14).keys();
  const operations = data.operations;
  const pages = Math.max(1, Math.ceil(operations.length / data.page));
  const wrong = new Map();
  for (const violation of data.violations) {
    for (const index of violation.entries) wrong.set(index, violation);
  }
  const byId = (id) => document.getElementById(id);
  const board = byId('board'), tip = byId('tip');
  let page = -1, boxes = [];

  const make = (name, classes, text) => {
    const made = document.createElement(name);
    if (classes) made.className = classes;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const seconds = (ms) => (ms / 1000).toFixed(ms < 1e5 ? 4 : 3) + ' s';
  const whyWrong = (operation) => wrong.get(operation[INVOKE]) || wrong.get(operation[COMPLETION]);
  const call = (operation) => {
    const key = operation[KEY] === null ? '' : ' ' + operation[KEY];
    const value = operation[VALUE] === null ? '' : ' ' + operation[VALUE];
    const result = operation[RESULT] === null ? '' : ' → ' + operation[RESULT];
    return operation[F] + key + value + result;
  };
  const lasted = (operation) => operation[COMPLETION] < 0 ? 'open at the end'
    : (operation[TO] - operation[FROM]).toFixed(2) + ' ms';
  const details = (operation) => {
    const violation = whyWrong(operation);
    const rows = [
      ['operation', operation[F]], ['outcome', ENDINGS[operation[ENDING]]],
      ['process', operation[PROCESS]], ['key', operation[KEY]], ['value', operation[VALUE]],
      ['result', operation[RESULT]], ['error', operation[ERROR]], ['node', operation[NODE]],
      ['client', operation[CLIENT]], ['begun', seconds(operation[FROM])],
      ['lasted', lasted(operation)],
      ['lines', [operation[INVOKE], operation[COMPLETION]].filter((line) => line >= 0).join(', ')],
      ['violation', violation ? violation.checker + ': ' + violation.says : null],
    ];
    return rows.filter(([, value]) => value !== null);
  };

  // The first place in a sorted list whose value is not below this one.
  const place = (list, value) => {
    let low = 0, high = list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (list[middle] < value) low = middle + 1; else high = middle;
    }
    return low;
  };

  const shownOn = (number) => {
    const own = operations.slice(number * data.page, (number + 1) * data.page);
    if (own.length === 0) return [];
    const first = own[0][INVOKE];
    // Those of earlier pages that end later than this one begins.
    const before = operations.slice(0, number * data.page)
      .filter((operation) => operation[COMPLETION] < 0 || operation[COMPLETION] > first);
    return before.slice(-40).concat(own);
  };

  const draw = (number) => {
    page = number;
    const shown = shownOn(number);
    const own = operations.slice(number * data.page, (number + 1) * data.page);
    const first = own.length ? own[0][INVOKE] : 0;
    // The last page ends with the history, any other with its last invocation.
    const end = (operation) => Math.max(operation[INVOKE],
      number === pages - 1 ? operation[COMPLETION] : 0);
    const last = own.reduce((most, operation) => Math.max(most, end(operation)), first);
    // One row for each line on the page; what ends on a later page ends at its foot.
    const times = new Map();
    for (const operation of shown) {
      if (operation[INVOKE] >= first) times.set(operation[INVOKE], operation[FROM]);
      if (operation[COMPLETION] >= 0 && operation[COMPLETION] <= last) {
        times.set(operation[COMPLETION], operation[TO]);
      }
    }
    for (const fault of data.faults) {
      if (fault.start >= first && fault.start <= last) times.set(fault.start, fault.from);
      if (fault.stop >= first && fault.stop <= last) times.set(fault.stop, fault.to);
    }
    const rows = [...times.keys()].sort((a, b) => a - b);
    const foot = rows.length + 2;
    const yOf = (index) => (index < first ? 0 : index > last || index < 0 ? foot
      : place(rows, index) + 1) * STEP;

    const processes = [...new Set(shown.map((operation) => operation[PROCESS]))]
      .sort((a, b) => a - b);
    const grid = make('div', 'grid'), heads = make('div', 'heads');
    const axis = make('div', 'axis'), field = make('div', 'field');
    grid.append(make('div', 'corner'), heads, axis, field);
    heads.append(make('span', '', 'faults'));
    const width = LANE * (processes.length + 1), height = (foot + 1) * STEP;
    field.style.cssText = `width:${width}px;height:${height}px`;
    axis.style.height = height + 'px';
    processes.forEach((process, at) => {
      heads.append(make('span', '', 'process ' + process));
      const lane = make('div', 'lane');
      lane.style.left = LANE * (at + 1) - 3 + 'px';
      field.append(lane);
    });
    rows.forEach((index, at) => {
      if (at % 4) return;
      const label = make('span', '', seconds(times.get(index)));
      label.style.top = (at + 1) * STEP + 'px';
      axis.append(label);
    });

    let free = 0;
    for (const fault of data.faults) {
      const until = fault.instant ? fault.start : fault.stop;
      if (fault.start > last || (until >= 0 && until < first)) continue;
      const top = yOf(fault.start), bottom = yOf(until);
      const band = make('div', 'band' + (fault.start < first ? ' before' : '')
        + (until >= 0 && until <= last ? ' to-the-stop' : ''));
      band.style.cssText = `top:${top}px;height:${Math.max(2, bottom - top)}px`;
      const label = make('div', 'fault', fault.says);
      free = Math.max(free, top + 2);
      label.style.top = free + 'px';
      free += STEP * Math.max(1, Math.ceil(fault.says.length / 20));
      field.append(band, label);
    }

    boxes = shown.map((operation, at) => {
      const ending = ENDINGS[operation[ENDING]];
      const open = operation[COMPLETION] < 0 || operation[COMPLETION] > last;
      const box = make('button', 'box ' + ending + (open ? ' open' : '')
        + (whyWrong(operation) ? ' wrong' : ''));
      const top = yOf(operation[INVOKE]);
      const bottom = operation[COMPLETION] < 0 ? yOf(-1) : yOf(operation[COMPLETION]);
      const lane = processes.indexOf(operation[PROCESS]) + 1;
      box.style.cssText =
        `top:${top}px;left:${lane * LANE}px;height:${Math.max(STEP, bottom - top) - 1}px`;
      box.textContent = (ending === 'ok' ? '' : ending === 'fail' ? '✗ ' : '? ') + call(operation);
      box.type = 'button';
      box.tabIndex = at === 0 ? 0 : -1;
      box.setAttribute('aria-label', `process ${operation[PROCESS]}, ${call(operation)}, `
        + `${ending}, ${lasted(operation)}, at ${seconds(operation[FROM])}`
        + (whyWrong(operation) ? ', violation' : ''));
      box.addEventListener('mouseenter', () => explain(box, operation));
      box.addEventListener('mouseleave', hush);
      box.addEventListener('focus', () => explain(box, operation));
      box.addEventListener('blur', hush);
      box.addEventListener('keydown', (event) => step(event, at));
      field.append(box);
      const former = operations[number * data.page + at - (shown.length - own.length) - 1];
      const missed = former ? operation[ORDINAL] - former[ORDINAL] - 1 : 0;
      if (operation[INVOKE] >= first && missed > 0) {
        const gap = make('div', 'gap', `${missed.toLocaleString('en')} operations left out`);
        gap.style.top = top - STEP + 'px';
        field.append(gap);
      }
      return { box, operation };
    });
    board.replaceChildren(grid);
    board.scrollTop = 0;
    const from = own.length ? seconds(own[0][FROM]) : '0 s';
    const to = own.length ? seconds(own[own.length - 1][FROM]) : '0 s';
    byId('where').textContent = `Page ${number + 1} of ${pages}, ${from} to ${to}`;
    byId('first').disabled = byId('previous').disabled = number === 0;
    byId('last').disabled = byId('next').disabled = number === pages - 1;
    hush();
  };

  const explain = (box, operation) => {
    const list = make('dl');
    for (const [term, says] of details(operation)) {
      list.append(make('dt', '', term), make('dd', '', says));
    }
    tip.replaceChildren(list);
    tip.hidden = false;
    const at = box.getBoundingClientRect(), own = tip.getBoundingClientRect();
    const left = Math.min(at.left, window.innerWidth - own.width - 8);
    const below = Math.min(at.bottom, window.innerHeight) + 4;
    const top = below + own.height < window.innerHeight ? below : at.top - own.height - 4;
    tip.style.left = Math.max(8, left) + 'px';
    tip.style.top = Math.max(8, top) + 'px';
  };
  const hush = () => { tip.hidden = true; };

  // Up and down go through the page in the order of the invocations.
  const step = (event, at) => {
    if (event.key === 'Escape') hush();
    const by = { ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const next = by && boxes[at + by];
    if (!next) return;
    event.preventDefault();
    boxes[at].box.tabIndex = -1;
    next.box.tabIndex = 0;
    next.box.focus();
    next.box.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  };

  // `#i123`: the operation of this line of the history, or the next one that is shown.
  const follow = () => {
    const index = /^#i(\d+)$/.exec(location.hash);
    if (!index) return page < 0 && draw(0);
    const line = Number(index[1]);
    let at = operations.findIndex((operation) =>
      operation[INVOKE] === line || operation[COMPLETION] === line);
    if (at < 0) at = operations.findIndex((operation) => operation[INVOKE] >= line);
    if (at < 0) at = operations.length - 1;
    draw(Math.max(0, Math.floor(at / data.page)));
    const found = boxes.find(({ operation }) => operation === operations[at]);
    if (!found) return undefined;
    found.box.scrollIntoView({ block: 'center', inline: 'center' });
    found.box.focus({ preventScroll: true });
    explain(found.box, found.operation);
    return undefined;
  };

  byId('first').addEventListener('click', () => draw(0));
  byId('previous').addEventListener('click', () => draw(page - 1));
  byId('next').addEventListener('click', () => draw(page + 1));
  byId('last').addEventListener('click', () => draw(pages - 1));
  byId('jump').addEventListener('change', (event) => {
    if (event.target.value) location.hash = event.target.value;
    event.target.value = '';
  });
  window.addEventListener('hashchange', follow);
  follow();
})();
