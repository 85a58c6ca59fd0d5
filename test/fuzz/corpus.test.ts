import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import * as path from 'node:path'
import {
  decodeAccount,
  decodeActivation,
  decodeOperator,
  decodeToken,
  decodeUser,
} from '../../shared/account/claims/index.ts'
import { ConfigError } from '../../shared/config/index.ts'
import { parseText } from '../../shared/config/parser.ts'
import { codeOf, SeededRandom } from '../../shared/runtime/index.ts'
import { ParserTranscript } from '../support/parser-transcript.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? 1_000)
const CARRY_BYTES_MAX = 4_300

/**
 * Inputs kept in `corpus/`, one folder for each parser: they are what it was once found wrong with, or what
 * reaches deep into it. Each is tried whole, cut at every byte, and then damaged for a while.
 */
const PARSERS: Readonly<Record<string, (input: Buffer) => void>> = {
  'client-protocol': (input) => {
    const whole = new ParserTranscript({ carryBytesMax: CARRY_BYTES_MAX }).feed(input)
    const half = input.length >> 1
    const cut = new ParserTranscript({ carryBytesMax: CARRY_BYTES_MAX })
    cut.feed(input.subarray(0, half)).feed(input.subarray(half))
    assert.deepEqual(cut.facts, whole.facts)
    assert.equal(cut.isStopped, whole.isStopped)
  },
  config: (input) => {
    try {
      parseText(input.toString(), 'corpus.conf')
    } catch (error) {
      assert.ok(error instanceof ConfigError, `${error}`)
    }
  },
  jwt: (input) => {
    const jwt = input.toString().trim()
    for (const decode of [
      decodeToken,
      decodeUser,
      decodeAccount,
      decodeOperator,
      decodeActivation,
    ]) {
      try {
        decode(jwt)
      } catch (error) {
        assert.equal(codeOf(error), 'PETIOLE_TOKEN_INVALID', `${error}`)
      }
    }
  },
}

describe(`corpora (seed ${SEED})`, () => {
  for (const [name, parse] of Object.entries(PARSERS)) {
    const folder = path.join(import.meta.dirname, 'corpus', name)
    const inputs = readdirSync(folder)
      .sort()
      .map((file) => [file, readFileSync(path.join(folder, file))] as const)

    it(`${name}: whole, and cut anywhere`, () => {
      assert.ok(inputs.length > 0)
      for (const [file, input] of inputs) {
        for (let length = 0; length <= input.length; length++) {
          told(`${file} cut at ${length}`, () => parse(input.subarray(0, length)))
        }
      }
    })

    it(`${name}: damaged`, () => {
      const random = new SeededRandom(SEED)
      for (let round = 0; round < ROUNDS; round++) {
        const [file, input] = inputs[random.below(inputs.length)]!
        const [, other] = inputs[random.below(inputs.length)]!
        const damaged = damage(random, input, other)
        told(`${file}, seed=${SEED} round=${round}`, () => parse(damaged))
      }
    })
  }
})

/** Says of which input it was that the parser got wrong. */
function told(about: string, run: () => void): void {
  try {
    run()
  } catch (error) {
    throw new Error(about, { cause: error })
  }
}

/** Bytes changed, a piece repeated or left out, or the head of one before the tail of another. */
function damage(random: SeededRandom, input: Buffer, other: Buffer): Buffer {
  const at = random.below(input.length + 1)
  const size = random.below(input.length - at + 1)
  const [head, piece, tail] = [
    input.subarray(0, at),
    input.subarray(at, at + size),
    input.subarray(at + size),
  ]
  const kind = random.below(4)
  if (kind === 0) return Buffer.concat([head, tail])
  if (kind === 1) return Buffer.concat([head, piece, piece, tail])
  if (kind === 2) return Buffer.concat([head, other.subarray(random.below(other.length + 1))])
  const changed = Buffer.from(input)
  for (let i = random.below(4); i >= 0; i--) {
    changed[random.below(changed.length)] = random.below(256)
  }
  return changed
}
