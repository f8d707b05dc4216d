/**
 * Two languages side by side. Pure: cues have `start_ms`, `end_ms` and `lines`.
 */

/**
 * Rows of what belongs together: cues of both languages that overlap in time. Each has its times
 * and, by side, its cues with the numbers under which the server knows them.
 */
export function sideBySide(left, right) {
  const all = [...numbered(left, "left"), ...numbered(right, "right")].sort(
    (a, b) => a.start_ms - b.start_ms || a.number - b.number,
  );
  const rows = [];
  for (const { side, ...cue } of all) {
    let row = rows.at(-1);
    if (row === undefined || cue.start_ms >= row.end_ms) {
      row = { start_ms: cue.start_ms, end_ms: cue.end_ms, left: [], right: [] };
      rows.push(row);
    }
    row.end_ms = Math.max(row.end_ms, cue.end_ms);
    row[side].push(cue);
  }
  return rows;
}

/** The index of the row at a time, or of the last one before it; -1 before the first. */
export function rowAt(rows, time_ms) {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle].start_ms <= time_ms) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function numbered(cues, side) {
  return cues.map((cue, number) => ({ ...cue, number, side }));
}
