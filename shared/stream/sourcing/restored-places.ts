/**
 * How far a restored stream has got with each of its sources: else it would take all of them from their
 * beginning again. Our own backups say it, exact even where the messages that came last are gone; of others'
 * the newest message of each source is what is known, as nats-server finds it after a restore.
 */
import type { StateTable } from '../../store/index.ts'
import type { StreamConfig } from '../config/stream-config.ts'
import type { StreamSource } from '../config/stream-source.ts'
import { headerValue } from '../headers.ts'
import { isObject } from '../json-fields.ts'
import type { Place } from './intake.ts'
import { parseSourceHeader, SOURCE_HEADER, sourceIndex } from './source-index.ts'
import { decodePlace, encodePlace, placeKey } from './source-intake.ts'

/** As it stands in a backup: what `at` and all before it brought is in `places`. */
export interface BackupPlaces {
  readonly at: number
  /** By the source's index. */
  readonly places: Readonly<Record<string, Place>>
}

/** undefined for a stream without sources. */
export function backupPlaces(
  { sources = [] }: StreamConfig,
  states: StateTable,
  at: number,
): BackupPlaces | undefined {
  if (sources.length === 0) return undefined
  const places = sources.map((source) => {
    const place = decodePlace(states.get(placeKey(source)))
    return [sourceIndex(source).name, place] as const
  })
  return { at, places: Object.fromEntries(places) }
}

export class RestoredPlaces {
  readonly #sources: ReadonlyMap<string, StreamSource>
  readonly #places = new Map<string, Place>()
  #at = 0

  constructor({ sources = [] }: StreamConfig) {
    this.#sources = new Map(sources.map((source) => [sourceIndex(source).name, source]))
  }

  /** What the backup says of itself, which may be anything. */
  told(value: unknown): void {
    if (!isObject(value) || !isObject(value['places'])) return
    const { at, places } = value
    if (typeof at !== 'number' || !Number.isSafeInteger(at) || at < 0) return
    this.#at = at
    for (const [name, place] of Object.entries(places as object)) {
      if (this.#sources.has(name)) {
        this.#places.set(name, decodePlace(Buffer.from(JSON.stringify(place))))
      }
    }
  }

  /** A message of the backup, in order. */
  saw(seq: number, headers: Uint8Array): void {
    if (this.#sources.size === 0 || seq <= this.#at || headers.length === 0) return
    const text = headerValue(headers, SOURCE_HEADER)
    const origin = text === undefined ? undefined : parseSourceHeader(text)
    if (origin === undefined) return
    const { name, seq: originSeq, identity } = origin
    const place = { seq: originSeq, identity }
    if (name !== undefined) {
      if (this.#sources.has(name)) this.#places.set(name, place)
      return
    }
    // Before nats-server 2.10 they told no more than the stream: so it is of all that it can be of.
    for (const [index, source] of this.#sources) {
      if (sourceIndex(source).origin === origin.origin) this.#places.set(index, place)
    }
  }

  keepIn(states: StateTable): void {
    for (const [name, place] of this.#places) {
      const source = this.#sources.get(name)
      if (source !== undefined) states.set(placeKey(source), encodePlace(place))
    }
  }
}
