/**
 * HighwayHash with a result of 64 bits: what nats-server's file store puts behind each of its records.
 * The function is Google's (arXiv 1612.06257): four rows of four lanes, two of state and two of multipliers.
 * Each packet of 32 bytes is added, multiplied and mixed byte by byte. A lane of 64 bits lies here as two words,
 * the low one first.
 */
const LANES = 4
const ROW_WORDS = 2 * LANES
const PACKET_BYTES = 32
const FINAL_ROUNDS = 4
/** Where the rows begin. */
const V0 = 0
const V1 = ROW_WORDS
const MUL0 = 2 * ROW_WORDS
const MUL1 = 3 * ROW_WORDS

/** What the rows begin with: high and low word of each lane. */
const BEGIN0 = words('dbe6d5d5fe4cce2f a4093822299f31d0 13198a2e03707344 243f6a8885a308d3')
const BEGIN1 = words('3bd39e10cb0ef593 c0acf169b5f18a8c be5466cf34e90c6c 452821e638d01377')

function words(lanes: string): Uint32Array {
  const halves = lanes.split(' ').flatMap((lane) => [lane.slice(8), lane.slice(0, 8)])
  return Uint32Array.from(halves, (half) => Number.parseInt(half, 16))
}

export class HighwayHash {
  readonly #key: Uint32Array
  readonly #state = new Uint32Array(4 * ROW_WORDS)
  readonly #packet = new Uint32Array(ROW_WORDS)

  /** @param key 32 bytes */
  constructor(key: Uint8Array) {
    const bytes = Buffer.from(key)
    this.#key = Uint32Array.from({ length: ROW_WORDS }, (_, i) => bytes.readUInt32LE(4 * i))
  }

  /** As it lies behind a record: 8 bytes. */
  digest(bytes: Uint8Array): Buffer {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#begin()
    let at = 0
    for (; at + PACKET_BYTES <= bytes.length; at += PACKET_BYTES) this.#take(view, at)
    if (at < bytes.length) this.#takeRest(bytes.subarray(at))
    return this.#end()
  }

  #begin(): void {
    const state = this.#state
    const key = this.#key
    state.set(BEGIN0, MUL0)
    state.set(BEGIN1, MUL1)
    for (let i = 0; i < ROW_WORDS; i++) {
      state[V0 + i] = (BEGIN0[i] as number) ^ (key[i] as number)
      // The key with the halves of its lanes changed over.
      state[V1 + i] = (BEGIN1[i] as number) ^ (key[i ^ 1] as number)
    }
  }

  #take(view: DataView, at: number): void {
    for (let i = 0; i < ROW_WORDS; i++) this.#packet[i] = view.getUint32(at + 4 * i, true)
    this.#mix()
  }

  /** Fewer bytes than a packet: their number goes into the state, and the last of them to places of their own. */
  #takeRest(rest: Uint8Array): void {
    const state = this.#state
    const { length } = rest
    for (let lane = 0; lane < LANES; lane++) add(state, V0 + 2 * lane, length, length)
    for (let i = V1; i < V1 + ROW_WORDS; i++) {
      const word = state[i] as number
      state[i] = (word << length) | (word >>> (32 - length))
    }
    const block = Buffer.alloc(PACKET_BYTES)
    const odd = length & 3
    const even = length - odd
    block.set(rest.subarray(0, even))
    if (length >= 16) block.set(rest.subarray(length - 4), PACKET_BYTES - 4)
    else if (odd > 0) {
      block[16] = rest[even] as number
      block[17] = rest[even + (odd >> 1)] as number
      block[18] = rest[length - 1] as number
    }
    this.#take(new DataView(block.buffer, block.byteOffset, PACKET_BYTES), 0)
  }

  #end(): Buffer {
    const state = this.#state
    for (let round = 0; round < FINAL_ROUNDS; round++) {
      // Lanes two apart and halves change places.
      for (let i = 0; i < ROW_WORDS; i++) this.#packet[i] = state[V0 + (i ^ 5)] as number
      this.#mix()
    }
    for (const row of [V1, MUL0, MUL1])
      add(state, V0, state[row] as number, state[row + 1] as number)
    const digest = Buffer.alloc(8)
    digest.writeUInt32LE(state[V0] as number, 0)
    digest.writeUInt32LE(state[V0 + 1] as number, 4)
    return digest
  }

  #mix(): void {
    const state = this.#state
    const packet = this.#packet
    for (let i = 0; i < ROW_WORDS; i += 2) {
      add(state, V1 + i, packet[i] as number, packet[i + 1] as number)
      add(state, V1 + i, state[MUL0 + i] as number, state[MUL0 + i + 1] as number)
      multiply(state, MUL0 + i, state[V1 + i] as number, state[V0 + i + 1] as number)
      add(state, V0 + i, state[MUL1 + i] as number, state[MUL1 + i + 1] as number)
      multiply(state, MUL1 + i, state[V0 + i] as number, state[V1 + i + 1] as number)
    }
    for (let i = 0; i < ROW_WORDS; i += 4) zip(state, V1 + i, V0 + i)
    for (let i = 0; i < ROW_WORDS; i += 4) zip(state, V0 + i, V1 + i)
  }
}

function add(state: Uint32Array, at: number, low: number, high: number): void {
  const sum = (state[at] as number) + low
  state[at] = sum
  state[at + 1] = (state[at + 1] as number) + high + (sum > 0xffffffff ? 1 : 0)
}

/** XORs the lane with the product of two words, which a double does not hold at once. */
function multiply(state: Uint32Array, at: number, a: number, b: number): void {
  const [a0, a1, b0, b1] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16]
  const low = a0 * b0
  const cross = a1 * b0 + (low >>> 16)
  const other = a0 * b1 + (cross & 0xffff)
  state[at] = (state[at] as number) ^ Math.imul(a, b)
  state[at + 1] = (state[at + 1] as number) ^ (a1 * b1 + (cross >>> 16) + (other >>> 16))
}

/** Adds the bytes of two lanes to two others, each in another place than it was: a3 b4 a2 a5 b6 a1 b7 a0, b3 a4 b2 b5 b1 a6 b0 a7. */
function zip(state: Uint32Array, from: number, to: number): void {
  const aLow = state[from] as number
  const aHigh = state[from + 1] as number
  const bLow = state[from + 2] as number
  const bHigh = state[from + 3] as number
  add(
    state,
    to,
    ((aLow >>> 24) | ((bHigh & 0xff) << 8) | (aLow & 0xff0000) | ((aHigh & 0xff00) << 16)) >>> 0,
    (((bHigh >>> 16) & 0xff) | (aLow & 0xff00) | ((bHigh >>> 24) << 16) | (aLow << 24)) >>> 0,
  )
  add(
    state,
    to + 2,
    ((bLow >>> 24) | ((aHigh & 0xff) << 8) | (bLow & 0xff0000) | ((bHigh & 0xff00) << 16)) >>> 0,
    (((bLow >>> 8) & 0xff) |
      ((aHigh >>> 8) & 0xff00) |
      ((bLow & 0xff) << 16) |
      (aHigh & 0xff000000)) >>>
      0,
  )
}
