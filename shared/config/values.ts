/**
 * Single values of the schema. Each reads what the tree or an embedding program gives (a number with
 * its unit applied, a string, a boolean) and answers with the exact value, or with a sentence that says
 * what it must be.
 */
import * as v from 'valibot'
import type { RemoteUrl } from './config.ts'
import { parseDuration, parseNumber } from './quantity.ts'
import { captureFault } from './subject-rule.ts'

export type Reading<T> = { readonly value: T } | { readonly fault: string }

/** A schema whose text form matters: `5m` is five minutes to a duration and five million to a size. */
const durations = new WeakSet<v.GenericSchema>()

export function isDuration(schema: v.GenericSchema): boolean {
  return durations.has(schema)
}

/** A schema from a function that reads one value. */
export function reading<T>(read: (input: unknown) => Reading<T>) {
  return v.pipe(
    v.unknown(),
    v.rawTransform<unknown, T>(({ dataset, addIssue, NEVER }) => {
      const result = read(dataset.value)
      if ('value' in result) return result.value
      addIssue({ message: result.fault })
      return NEVER
    }),
  )
}

export function text() {
  return reading<string>(readText)
}

/** Text that may not be empty or hold white space: names that go into protocols and paths. */
export function word() {
  return reading<string>((input) => {
    const result = readText(input)
    if ('fault' in result || /^\S+$/.test(result.value)) return result
    return { fault: `must be a name without spaces, not ${shown(input)}` }
  })
}

/** A name that becomes one token of a subject and a key on disk: a stream, a buffer. */
export function tokenName() {
  return reading<string>((input) => {
    const result = readText(input)
    if ('fault' in result || /^[^\s.*>/\\]+$/.test(result.value)) return result
    return { fault: `the name ${shown(input)} may not hold white space or any of . * > / \\` }
  })
}

export function flag() {
  return reading<boolean>((input) =>
    typeof input === 'boolean'
      ? { value: input }
      : { fault: `must be true or false, not ${shown(input)}` },
  )
}

/** A flag that may be spelt `enabled` or `disabled`. */
export function switched() {
  return reading<boolean>((input) => {
    const word = String(input).toLowerCase()
    if (['true', 'enabled', 'enable'].includes(word)) return { value: true }
    if (['false', 'disabled', 'disable'].includes(word)) return { value: false }
    return { fault: `must be true, false, enabled, disabled or a block, not ${shown(input)}` }
  })
}

export function count(min: number, max: number) {
  return reading<number>((input) => {
    if (typeof input === 'number' && Number.isInteger(input) && input >= min && input <= max) {
      return { value: input }
    }
    return { fault: `must be a whole number from ${min} to ${max}, not ${shown(input)}` }
  })
}

/** A number of things where 0 or -1 means that there is no limit. */
export function limit() {
  return reading<number>((input) => {
    if (typeof input === 'number' && Number.isInteger(input) && input >= -1) {
      return { value: Math.max(0, input) }
    }
    return { fault: `must be a whole number, 0 for no limit, not ${shown(input)}` }
  })
}

/** Bytes. In quotes, nats-server's storage sizes: "10G" is 10 times 2 to the 30. */
export function size(min = 0, max = Number.MAX_SAFE_INTEGER) {
  return reading<number>((input) => {
    const bytes = readSize(input)
    if (bytes === -1 && min === 0) return { value: 0 }
    if (bytes === undefined) return { fault: `must be a size like 512MB, not ${shown(input)}` }
    if (bytes < min || bytes > max) {
      return { fault: `must be from ${min} to ${max} bytes, not ${shown(input)}` }
    }
    return { value: bytes }
  })
}

/** Milliseconds. A bare number is seconds, as in nats-server. */
export function duration(minMs = 0, maxMs = Number.MAX_SAFE_INTEGER) {
  const schema = reading<number>((input) => {
    const ms = readDuration(input)
    if (ms === undefined) {
      return { fault: `must be a duration like 30s, 1h30m or 7d, not ${shown(input)}` }
    }
    if (ms < minMs) return { fault: `must be at least ${minMs / 1000}s, not ${shown(input)}` }
    if (ms > maxMs) return { fault: `must be at most ${maxMs / 1000}s, not ${shown(input)}` }
    return { value: ms }
  })
  durations.add(schema)
  return schema
}

/** `always`, which is 0, or how long something may wait. */
export function durationOrAlways() {
  const schema = reading<number>((input) => {
    if (typeof input === 'string' && input.toLowerCase() === 'always') return { value: 0 }
    const ms = readDuration(input)
    return ms === undefined
      ? { fault: `must be always, or a duration like 30s, not ${shown(input)}` }
      : { value: ms }
  })
  durations.add(schema)
  return schema
}

/** A duration, where a negative one means that there is no end: 0. */
export function durationOrNever() {
  const schema = reading<number>((input) => {
    if (typeof input === 'string' && input.startsWith('-')) return { value: 0 }
    const ms = readDuration(input)
    return ms === undefined
      ? { fault: `must be a duration like 30s, or -1s for ever, not ${shown(input)}` }
      : { value: ms }
  })
  durations.add(schema)
  return schema
}

/** 0 to 65535; -1 takes any free port, as 0 does. */
export function port() {
  return reading<number>((input) => {
    if (typeof input === 'number' && Number.isInteger(input) && input >= -1 && input <= 65_535) {
      return { value: Math.max(0, input) }
    }
    return { fault: `must be a port from 1 to 65535, or -1 for any free one, not ${shown(input)}` }
  })
}

/** A part of a whole, from 0 to 1: `20%` or 0.2. */
export function share() {
  return reading<number>((input) => {
    const percent = typeof input === 'string' ? /^(\d+(?:\.\d+)?)%$/.exec(input)?.[1] : undefined
    const part = percent === undefined ? input : Number(percent) / 100
    if (typeof part === 'number' && part >= 0 && part <= 1) return { value: part }
    return { fault: `must be a part like 20%, not ${shown(input)}` }
  })
}

export function oneOf<const T extends string>(...choices: readonly T[]) {
  return reading<T>((input) => {
    const choice = choices.find((known) => known === input)
    if (choice !== undefined) return { value: choice }
    return { fault: `must be ${choices.join(' or ')}, not ${shown(input)}` }
  })
}

/** One of several words in any case, each with what it stands for. */
export function spelt<const T extends string>(words: Readonly<Record<string, T>>) {
  return reading<T>((input) => {
    const word = typeof input === 'string' ? input.toLowerCase() : ''
    const value = Object.hasOwn(words, word) ? words[word] : undefined
    if (value !== undefined) return { value }
    return { fault: `must be ${Object.keys(words).join(' or ')}, not ${shown(input)}` }
  })
}

/** A whole number from `min` to 100, with or without a percent sign. */
export function percent(min: number) {
  return reading<number>((input) => {
    const number = typeof input === 'string' ? Number(input.replace(/%$/, '')) : input
    if (typeof number === 'number' && Number.isInteger(number) && number >= min && number <= 100) {
      return { value: number }
    }
    return { fault: `must be from ${min} to 100 percent, not ${shown(input)}` }
  })
}

/** One string or a list of them, at least one. */
export function texts() {
  return strings(1)
}

/** The same, or an empty list. */
export function nameList() {
  return strings(0)
}

function strings(min: number) {
  return reading<readonly string[]>((input) => {
    const list = typeof input === 'string' ? [input] : input
    const isRight = Array.isArray(list) && list.every((item) => typeof item === 'string')
    if (isRight && list.length >= min) return { value: list }
    return { fault: `must be a string or a list of strings, not ${shown(input)}` }
  })
}

/** Subjects with or without wildcards, at least one. */
export function subjects() {
  return reading<readonly string[]>((input) => {
    const list = typeof input === 'string' ? [input] : input
    if (!Array.isArray(list) || list.length === 0) {
      return { fault: `must be a list of subjects like ["plant.>"], not ${shown(input)}` }
    }
    const faults = list.map(captureFault).filter((fault) => fault !== undefined)
    return faults.length === 0 ? { value: list } : { fault: faults.join('; ') }
  })
}

/** One address or a list of them, all of one transport. */
export function urlList(read: (written: string) => Reading<RemoteUrl>) {
  return reading<readonly RemoteUrl[]>((input) => {
    const list = typeof input === 'string' ? [input] : input
    if (!Array.isArray(list) || list.length === 0) {
      return { fault: `must be a URL or a list of URLs, not ${shown(input)}` }
    }
    const results = list.map((url) => read(String(url).trim()))
    const faults = results.flatMap((result) => ('fault' in result ? [result.fault] : []))
    if (faults.length > 0) return { fault: faults.join('; ') }
    const value = results.flatMap((result) => ('value' in result ? [result.value] : []))
    if (new Set(value.map((url) => url.protocol)).size > 1) {
      return { fault: 'must all be WebSocket addresses, or none' }
    }
    return { value }
  })
}

/** A value for an error message: short, and in quotes when it is text. */
export function shown(input: unknown): string {
  if (Array.isArray(input)) return input.length === 0 ? 'an empty list' : 'a list'
  if (typeof input === 'object' && input !== null) return 'a block'
  if (typeof input === 'string' && SECRETIVE.test(input)) return 'what looks like a secret'
  const whole = typeof input === 'string' ? JSON.stringify(input) : String(input)
  return whole.length > 60 ? `${whole.slice(0, 60)}…` : whole
}

/** An nkey seed or private key, a JWT, a hash of a password, a URL with one: put where it does not belong. */
const SECRETIVE =
  /^(S[ACNOUX][A-Z2-7]{20,}|P[A-Z2-7]{50,}|eyJ|\$2[abxy]\$|SCRAM-SHA-256\$)|:\/\/.*@/s

function readText(input: unknown): Reading<string> {
  if (typeof input === 'string') return { value: input }
  if (typeof input === 'number' || typeof input === 'boolean') {
    return { fault: 'must be a string: put it in quotes' }
  }
  return { fault: `must be a string, not ${shown(input)}` }
}

function readSize(input: unknown): number | undefined {
  if (typeof input === 'number') return Number.isInteger(input) ? input : undefined
  if (typeof input !== 'string') return undefined
  const storage = /^(\d+)([KMGT])$/.exec(input)
  const number = parseNumber(storage === null ? input : `${input}B`)
  return number === undefined || number.isFloat ? undefined : number.value
}

/** Milliseconds of a number of seconds or a duration as text; undefined when it is neither. */
export function readDuration(input: unknown): number | undefined {
  if (typeof input === 'number') return input >= 0 ? input * 1000 : undefined
  if (typeof input !== 'string') return undefined
  return /^\d+$/.test(input) ? Number(input) * 1000 : parseDuration(input)
}
