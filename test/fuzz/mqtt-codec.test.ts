import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import * as path from 'node:path'
import type { Level, Side } from '../../bridge-mqtt/codec/index.ts'
import { type Random, SeededRandom } from '../../shared/runtime/index.ts'
import { readPacket } from '../support/mqtt-codec.ts'

const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? 3_000)
const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
const FOLDER = path.join(import.meta.dirname, 'corpus/mqtt')
/** Around a packet that is read: what must not matter. */
const MARGIN = 64
/** Small, so that damaged lengths are refused as too large, and as never whole, both. */
const SIZE_MAX = 400
const LEVELS: readonly Level[] = [3, 4, 5]
const SIDES: readonly Side[] = ['client', 'server']

describe(`MQTT codec under damaged packets (seed ${seed})`, () => {
  const corpus = readdirSync(FOLDER)
    .sort()
    .map((file) => ({ file, input: readFileSync(path.join(FOLDER, file)) }))

  it('the corpus is of packets that one side or the other sends, and of bad ones', () => {
    assert.ok(corpus.length > 20)
    for (const { file, input } of corpus) {
      const level = LEVELS.find((it) => file.includes(`-${it}`))
      assert.ok(level !== undefined, file)
      const told = SIDES.map((from) => tellWhole(input, level, from))
      const isRead = told.some(({ end }) => end === input.length)
      assert.equal(isRead, !file.startsWith('bad-'), file)
    }
  })

  it('says the same whatever way the bytes are cut, and whatever lies around them', () => {
    const random = new SeededRandom(seed)
    for (const { file, input } of corpus) everyCut(input, file, random)
    for (let round = 0; round < ROUNDS; round++) {
      const { file, input } = corpus[random.below(corpus.length)]!
      const { input: other } = corpus[random.below(corpus.length)]!
      const damaged = damage(random, input, other)
      check(damaged, `${file}, seed=${seed} round=${round}: ${damaged.toString('hex')}`, random)
    }
  })

  it('a packet ends where its length says, and without its last byte it is none yet', () => {
    const random = new SeededRandom(seed + 1)
    let accepted = 0
    for (let round = 0; round < ROUNDS; round++) {
      const { input } = corpus[random.below(corpus.length)]!
      const damaged = damage(random, input, input)
      const verdict = readPacket(damaged, 5, 'client', { sizeMax: SIZE_MAX })
      if (verdict === 'partial' || 'violation' in verdict) continue
      accepted++
      assert.ok(verdict.end >= 2 && verdict.end <= damaged.length)
      const cut = readPacket(damaged, 5, 'client', { end: verdict.end - 1, sizeMax: SIZE_MAX })
      assert.equal(cut, 'partial', damaged.toString('hex'))
    }
    assert.ok(accepted > ROUNDS / 100, `${accepted} accepted`)
  })
})

function everyCut(input: Buffer, file: string, random: Random): void {
  for (let length = 0; length <= input.length; length++) {
    check(input.subarray(0, length), `${file} cut at ${length}`, random)
  }
}

function check(input: Buffer, about: string, random: Random): void {
  const level = LEVELS[random.below(LEVELS.length)]!
  const from = SIDES[random.below(SIDES.length)]!
  const whole = tellWhole(input, level, from)
  assert.deepEqual(
    inPieces(input, level, from, () => 1),
    whole,
    `${about}: byte by byte`,
  )
  const pieces = inPieces(input, level, from, () => random.below(9) + 1)
  assert.deepEqual(pieces, whole, `${about}: in pieces`)
  for (const fill of [0x00, 0xff, random.below(256)]) {
    const around = Buffer.alloc(MARGIN + input.length + MARGIN, fill)
    input.copy(around, MARGIN)
    const inside = tellAll(around, MARGIN, MARGIN + input.length, level, from)
    assert.deepEqual(inside.facts, whole.facts, `${about}: amid ${fill}`)
  }
}

interface Told {
  readonly facts: readonly unknown[]
  /** How far whole packets went. */
  readonly end: number
}

function tellWhole(input: Buffer, level: Level, from: Side): Told {
  return tellAll(input, 0, input.length, level, from)
}

/** All packets of what has arrived, up to the first that is not whole or not right. */
function tellAll(bytes: Buffer, start: number, end: number, level: Level, from: Side): Told {
  const facts: unknown[] = []
  let at = start
  for (;;) {
    const verdict = readPacket(bytes, level, from, { at, end, sizeMax: SIZE_MAX })
    if (verdict === 'partial') return { facts, end: at }
    if ('violation' in verdict) {
      facts.push(verdict.violation.rule, verdict.violation.rule5, verdict.level)
      return { facts, end: at }
    }
    facts.push(verdict.packet)
    assert.ok(verdict.end > at && verdict.end <= end)
    at = verdict.end
  }
}

/** The same as the bytes come in, like a connection: a broken rule ends it, whatever still comes. */
function inPieces(input: Buffer, level: Level, from: Side, sizeOf: () => number): Told {
  const facts: unknown[] = []
  let at = 0
  for (let end = 0; ; end = Math.min(input.length, end + sizeOf())) {
    const some = tellAll(input, at, end, level, from)
    facts.push(...some.facts)
    at = some.end
    const isBroken = typeof some.facts.at(-1) === 'number'
    if (isBroken || end === input.length) return { facts, end: at }
  }
}

/** Bytes changed, a piece repeated or left out, or the head of one before the tail of another. */
function damage(random: Random, input: Buffer, other: Buffer): Buffer {
  const at = random.below(input.length + 1)
  const size = random.below(input.length - at + 1)
  const kind = random.below(5)
  if (kind === 0) return Buffer.concat([input.subarray(0, at), input.subarray(at + size)])
  if (kind === 1) {
    return Buffer.concat([input.subarray(0, at + size), input.subarray(at)])
  }
  if (kind === 2) {
    return Buffer.concat([input.subarray(0, at), other.subarray(random.below(other.length + 1))])
  }
  const changed = Buffer.from(input)
  for (let i = random.below(3); i >= 0; i--) {
    const position = random.below(changed.length)
    changed[position] = kind === 3 ? random.below(256) : changed[position]! ^ (1 << random.below(8))
  }
  return changed
}
