import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import * as path from 'node:path'

export const ROOT = path.resolve(import.meta.dirname, '../..')
/** Results, and the servers' data while they are measured: the temp folder may be memory, this is a disk. */
export const RESULTS_FOLDER = path.join(ROOT, 'bench-results')

/** One line of a table. */
export interface Figure {
  readonly name: string
  readonly value: string
  readonly peer?: string
  readonly aim?: string
  /** undefined when there is no aim, or no peer to hold it against. */
  readonly isMet?: boolean | undefined
}

export function benchFolder(): string {
  mkdirSync(RESULTS_FOLDER, { recursive: true })
  return mkdtempSync(path.join(RESULTS_FOLDER, 'data-'))
}

export function writeResult(name: string, result: unknown): string {
  const file = path.join(RESULTS_FOLDER, `${name}.json`)
  writeFileSync(file, `${JSON.stringify(result, undefined, 2)}\n`)
  return file
}

export function table(title: string, figures: readonly Figure[]): string {
  const rows = figures.map(({ name, value, peer = '', aim = '', isMet }) => {
    const verdict = isMet === undefined ? '' : isMet ? 'met' : 'MISSED'
    return [name, value, peer, aim, verdict]
  })
  const widths = [0, 1, 2, 3, 4].map((i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)))
  const lines = rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))),
  )
  return [title, ...lines.map((cells) => `  ${cells.join('  ').trimEnd()}`), ''].join('\n')
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? 0
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return Math.round(value * 1_000) / 1_000
}

/** 123,456 */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en')
}

export function ratio(value: number | undefined): string {
  return value === undefined ? '' : `${value.toFixed(2)}x`
}
