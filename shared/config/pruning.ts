import type { Finding } from './findings.ts'

export type Key = string | number

/**
 * The plain value without what was found wrong in it, so that the rest can still be checked for what no
 * single key shows. Nothing is taken out of lists: their items keep their places.
 */
export function without(plain: unknown, faults: readonly Finding[]): unknown {
  const copy = structuredClone(plain)
  for (const { keys } of faults) removeAt(copy, keys)
  return copy
}

/** Whether two findings are about the same value, or one about a part of the other's. */
export function touches(left: Finding, right: Finding): boolean {
  const length = Math.min(left.keys.length, right.keys.length)
  return left.keys.slice(0, length).every((key, i) => key === right.keys[i])
}

function removeAt(value: unknown, keys: readonly Key[]): void {
  let holder = value
  for (const key of keys.slice(0, -1)) {
    if (typeof holder !== 'object' || holder === null) return
    holder = Reflect.get(holder, key)
  }
  const last = keys.at(-1)
  if (typeof holder !== 'object' || holder === null || Array.isArray(holder)) return
  if (last !== undefined) Reflect.deleteProperty(holder, last)
}
