/**
 * How one stream compresses its messages, and reads those that were compressed. Each is compressed by itself, so that it
 * is read, deleted and damaged by itself; what makes short ones small nevertheless is a dictionary of
 * what they have in common: simply some of the stream's own messages. It is tried on the next ones, and when
 * it makes them smaller it is put into the stream's table of states, where every segment that goes carries
 * it along; twice, because without it nothing compressed with it can be read. Only then it is used. A newer one is
 * tried from time to time, and rarer each time.
 */
import { RECORD_HEADER_BYTES } from '../record.ts'
import { OWN_KEY_PREFIX } from '../state-table.ts'
import type { StateTable } from '../stream-store.ts'
import { decompressBody, type PlainBody } from './compressed-body.ts'
import type { Compressor } from './compressor.ts'
import { Dictionary, NO_DICTIONARY } from './dictionary.ts'
import {
  DICTIONARIES_MAX,
  DICTIONARY_MESSAGE_SHARE_MAX,
  TRIAL_AFTER_DICTIONARIES,
  TRIAL_AFTER_DICTIONARIES_MAX,
  TRIAL_GAIN_SHARE_MIN,
  TRIAL_MESSAGES_SHARE,
} from './limits.ts'

const KEY_PREFIX = `${OWN_KEY_PREFIX}compression:`
const COPIES = ['a', 'b'] as const
const IGNORED = (): void => {}

export interface StreamCompressionParts {
  readonly compressor: Compressor
  readonly states: StateTable
  /** Of a dictionary; 0 for none. */
  readonly dictionaryBytes: number
  /** Writes all that `write` changes whole or not at all, but not now. */
  readonly writeLater: (write: () => void, refused: () => void) => void
}

interface Trial {
  readonly dictionary: Dictionary
  messages: number
  bytesBefore: number
  bytesWith: number
}

export class StreamCompression {
  /** Whether new messages are compressed. Those that are compressed already are read in any case. */
  isOn = false
  readonly #parts: StreamCompressionParts
  #known: Map<number, Dictionary> | undefined
  #newest = NO_DICTIONARY
  /** Of the next one: the highest is the newest. */
  #rank = 0
  /** Pieces for the next dictionary, while they are gathered. */
  #pieces: Uint8Array[] = []
  #pieceBytes = 0
  #trial: Trial | undefined
  #bytesToTrial = 0
  #trialAfterBytes: number

  constructor(parts: StreamCompressionParts) {
    this.#parts = parts
    this.#trialAfterBytes = parts.dictionaryBytes * TRIAL_AFTER_DICTIONARIES
    if (parts.dictionaryBytes === 0) this.#bytesToTrial = Number.POSITIVE_INFINITY
  }

  /** The body compressed, valid until the next call for any stream; undefined when it is stored as it is. */
  compress(headers: Uint8Array, payload: Uint8Array): Uint8Array | undefined {
    const { compressor } = this.#parts
    if (!compressor.take(headers, payload)) return undefined
    if (this.#known === undefined) this.#dictionaries()
    this.#learn(headers.length + payload.length)
    return compressor.compress(this.#newest)
  }

  /** Undefined when the compressed bytes, or the dictionary that they need, are not what was written. */
  decompress(compressed: Uint8Array): PlainBody | undefined {
    return decompressBody(compressed, (id) => this.#dictionaries().get(id))
  }

  /** Whether messages that were compressed with this dictionary can be read. */
  hasDictionary(id: number): boolean {
    return id === 0 || this.#dictionaries().has(id)
  }

  /** All that the table of states has, when they are first asked for, and those of later. */
  #dictionaries(): Map<number, Dictionary> {
    if (this.#known !== undefined) return this.#known
    const known = new Map<number, Dictionary>()
    const { states, writeLater } = this.#parts
    for (let rank = 0; rank < DICTIONARIES_MAX; rank++) {
      const lost = COPIES.filter((copy) => states.get(keyOf(rank, copy)) === undefined)
      for (const copy of COPIES) {
        const bytes = states.get(keyOf(rank, copy))
        if (bytes === undefined) continue
        this.#newest = new Dictionary(bytes)
        known.set(this.#newest.id, this.#newest)
        this.#rank = rank + 1
        this.#bytesToTrial = this.#trialAfterBytes
        if (lost.length === 0) continue
        writeLater(() => {
          for (const key of lost) states.set(keyOf(rank, key), bytes)
        }, IGNORED)
      }
    }
    this.#known = known
    return known
  }

  /** What the compressor has taken counts, becomes part of the next dictionary, or says how good that is. */
  #learn(bytes: number): void {
    if (this.#bytesToTrial > 0) this.#bytesToTrial -= bytes
    else if (this.#trial !== undefined) this.#try(this.#trial)
    else this.#gather(this.#parts.compressor.body)
  }

  #gather(body: Uint8Array): void {
    const { dictionaryBytes } = this.#parts
    const most = dictionaryBytes * DICTIONARY_MESSAGE_SHARE_MAX
    const room = Math.min(most, dictionaryBytes - this.#pieceBytes)
    const piece = new Uint8Array(body.subarray(0, room))
    this.#pieces.push(piece)
    this.#pieceBytes += piece.length
    if (this.#pieceBytes < dictionaryBytes) return
    const dictionary = new Dictionary(Buffer.concat(this.#pieces))
    const isNew = !this.hasDictionary(dictionary.id)
    if (this.#rank >= DICTIONARIES_MAX) this.#bytesToTrial = Number.POSITIVE_INFINITY
    else if (!isNew) this.#bytesToTrial = this.#trialAfterBytes
    else this.#trial = { dictionary, messages: 0, bytesBefore: 0, bytesWith: 0 }
    this.#pieces = []
    this.#pieceBytes = 0
  }

  #try(trial: Trial): void {
    const { compressor, dictionaryBytes } = this.#parts
    trial.bytesWith += RECORD_HEADER_BYTES + compressor.compressedBytes(trial.dictionary)
    trial.bytesBefore += RECORD_HEADER_BYTES + compressor.compressedBytes(this.#newest)
    if (++trial.messages < dictionaryBytes * TRIAL_MESSAGES_SHARE) return
    this.#trial = undefined
    const isBetter = trial.bytesWith < trial.bytesBefore * (1 - TRIAL_GAIN_SHARE_MIN)
    const mostBytes = dictionaryBytes * TRIAL_AFTER_DICTIONARIES_MAX
    this.#trialAfterBytes = Math.min(this.#trialAfterBytes * 2, mostBytes)
    if (isBetter) this.#keep(trial.dictionary)
    else this.#bytesToTrial = this.#trialAfterBytes
  }

  /** Used from the moment on at which it is on disk; when it does not come there, another is tried later. */
  #keep(dictionary: Dictionary): void {
    const { states, writeLater } = this.#parts
    const rank = this.#rank++
    this.#bytesToTrial = Number.POSITIVE_INFINITY
    const done = (isKept: boolean): void => {
      this.#bytesToTrial = this.#trialAfterBytes
      if (!isKept) this.#rank = rank
    }
    writeLater(
      () => {
        for (const copy of COPIES) {
          states.set(keyOf(rank, copy), dictionary.bytes, (error) => {
            done(error === undefined)
            if (error !== undefined) return
            this.#dictionaries().set(dictionary.id, dictionary)
            this.#newest = dictionary
          })
        }
      },
      () => done(false),
    )
  }
}

function keyOf(rank: number, copy: (typeof COPIES)[number]): string {
  return `${KEY_PREFIX}${rank}${copy}`
}
