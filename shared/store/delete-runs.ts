/** Sequences of a delete record as runs: LEB128 numbers, in turn the gap before a run and its length. */
export type SeqRun = readonly [first: number, last: number]

/** The first sequence of the first run stands in the record itself. */
export function encodeRuns(runs: readonly SeqRun[]): Uint8Array {
  const first = runs[0]
  if (first === undefined || (runs.length === 1 && first[0] === first[1])) return new Uint8Array(0)
  const out: number[] = []
  let next = first[0]
  for (const [from, to] of runs) {
    pushNumber(out, from - next)
    pushNumber(out, to - from)
    next = to + 1
  }
  return Uint8Array.from(out)
}

export function decodeRuns(seq: number, bytes: Uint8Array): SeqRun[] {
  if (bytes.length === 0) return [[seq, seq]]
  const runs: SeqRun[] = []
  let at = 0
  let next = seq
  const take = (): number => {
    let value = 0
    for (let scale = 1; at < bytes.length; scale *= 128) {
      const byte = bytes[at++] as number
      value += (byte & 127) * scale
      if (byte < 128) break
    }
    return value
  }
  while (at < bytes.length) {
    const first = next + take()
    const last = first + take()
    runs.push([first, last])
    next = last + 1
  }
  return runs
}

/** Rising sequences as runs. */
export function runsOf(seqs: readonly number[]): SeqRun[] {
  const runs: [number, number][] = []
  for (const seq of seqs) {
    const run = runs[runs.length - 1]
    if (run !== undefined && run[1] === seq - 1) run[1] = seq
    else runs.push([seq, seq])
  }
  return runs
}

function pushNumber(out: number[], value: number): void {
  let rest = value
  while (rest >= 128) {
    out.push((rest % 128) | 128)
    rest = Math.floor(rest / 128)
  }
  out.push(rest)
}
