import { type Clock, Deadline } from '../../shared/runtime/index.ts'
import { KEEP_ALIVE_GRACE } from '../limits.ts'

/** Whoever is told of the silence, once. */
export interface KeepAliveOwner {
  keepAliveExpired(): void
}

/**
 * Closes a client from which nothing came for one and a half keep-alive intervals [MQTT-3.1.2-24].
 * A packet only notes the time; it is looked at when the time would be over, and the rest waited for.
 */
export class KeepAlive {
  /** When it is to be looked at. */
  dueMs = 0
  /** Its place among those that wait; -1 for none. */
  place = -1
  readonly #clock: Clock
  readonly #limitMs: number
  readonly #owner: KeepAliveOwner
  #lastMs = 0

  /** @param keepAliveSeconds from 1: a keep-alive of 0 turns the mechanism off */
  constructor(clock: Clock, keepAliveSeconds: number, owner: KeepAliveOwner) {
    this.#clock = clock
    this.#limitMs = keepAliveSeconds * 1_000 * KEEP_ALIVE_GRACE
    this.#owner = owner
  }

  start(): void {
    this.noteActivity()
    this.dueMs = this.endMs
    KeepAlives.of(this.#clock).add(this)
  }

  /** When the last packet came. */
  get lastMs(): number {
    return this.#lastMs
  }

  /** When the time is over, if nothing comes. */
  get endMs(): number {
    return this.#lastMs + this.#limitMs
  }

  noteActivity(): void {
    this.#lastMs = this.#clock.monotonicMs()
  }

  stop(): void {
    KeepAlives.of(this.#clock).remove(this)
  }

  expire(): void {
    this.#owner.keepAliveExpired()
  }
}

/**
 * All clients of a clock by when they are to be looked at: a binary heap, the next one at its head, and one timer for
 * it. A timer for each client was as much memory as his socket. Who leaves is taken out of the middle, which is why
 * each knows its place: left there until its time was over, a connection that is gone would be kept for that long.
 */
class KeepAlives {
  readonly #clock: Clock
  readonly #heap: KeepAlive[] = []
  readonly #deadline: Deadline

  static of(clock: Clock): KeepAlives {
    let found = KEEP_ALIVES.get(clock)
    if (found === undefined) {
      found = new KeepAlives(clock)
      KEEP_ALIVES.set(clock, found)
    }
    return found
  }

  private constructor(clock: Clock) {
    this.#clock = clock
    const nextMs = (): number => this.#heap[0]?.dueMs ?? Number.POSITIVE_INFINITY
    this.#deadline = new Deadline(clock, nextMs, () => this.#look())
  }

  add(one: KeepAlive): void {
    this.#rise(one, this.#heap.length)
    this.#deadline.arm()
  }

  /** Nothing happens when it is not among them. */
  remove(one: KeepAlive): void {
    const { place } = one
    if (place < 0) return
    one.place = -1
    const last = this.#heap.pop()
    if (last !== undefined && last !== one) {
      this.#rise(last, place)
      this.#sink(last)
    }
    if (this.#heap.length === 0) this.#deadline.disarm()
  }

  #look(): void {
    const nowMs = this.#clock.monotonicMs()
    for (;;) {
      const next = this.#heap[0]
      if (next === undefined || next.dueMs > nowMs) break
      if (next.endMs > nowMs) {
        next.dueMs = next.endMs
        this.#sink(next)
      } else {
        this.remove(next)
        next.expire()
      }
    }
  }

  /** Puts `one` at `place`, or above it as far as it is due before those there. */
  #rise(one: KeepAlive, place: number): void {
    let at = place
    while (at > 0) {
      const parent = this.#heap[(at - 1) >> 1]
      if (parent === undefined || parent.dueMs <= one.dueMs) break
      this.#put(parent, at)
      at = (at - 1) >> 1
    }
    this.#put(one, at)
  }

  #sink(one: KeepAlive): void {
    let at = one.place
    for (;;) {
      const left = this.#heap[2 * at + 1]
      const right = this.#heap[2 * at + 2]
      const child =
        right !== undefined && left !== undefined && right.dueMs < left.dueMs ? right : left
      if (child === undefined || child.dueMs >= one.dueMs) break
      const below = child.place
      this.#put(child, at)
      at = below
    }
    this.#put(one, at)
  }

  #put(one: KeepAlive, place: number): void {
    this.#heap[place] = one
    one.place = place
  }
}

const KEEP_ALIVES = new WeakMap<Clock, KeepAlives>()
