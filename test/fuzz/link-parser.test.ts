import assert from 'node:assert/strict'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { LinkTranscript } from '../support/link-transcript.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? 15_000)

const LINES = [
  'PING\r\n',
  'LS+ a.b\r\n',
  'LS+ a.> q 3\r\n',
  'LS- a.> q\r\n',
  "-ERR 'x y'\r\n",
  'INFO {"a":1}\r\n',
  'LMSG s.t 5\r\n12345\r\n',
  'LMSG s + r q 4\r\n\r\n\r\n\r\n',
  'HMSG s 12 14\r\nNATS/1.0\r\n\r\nhi\r\n',
]

describe(`link parser fuzz (SEED=${SEED})`, () => {
  const random = new SeededRandom(SEED)

  it('finds the same in valid streams however they are cut', () => {
    for (let run = 0; run < ROUNDS; run++) {
      const bytes = stream(random)
      assert.deepEqual(cutAtRandom(bytes, random), whole(bytes), `run ${run}`)
    }
  })

  it('finds the same in damaged streams however they are cut, and never throws', () => {
    for (let run = 0; run < ROUNDS; run++) {
      const bytes = damaged(stream(random), random)
      assert.deepEqual(cutAtRandom(bytes, random), whole(bytes), `run ${run}`)
    }
  })
})

function stream(random: SeededRandom): Buffer {
  const count = 1 + random.below(12)
  const lines = Array.from({ length: count }, () => LINES[random.below(LINES.length)]!)
  return Buffer.from(lines.join(''))
}

function damaged(bytes: Buffer, random: SeededRandom): Buffer {
  const out = Buffer.from(bytes)
  const flips = 1 + random.below(4)
  for (let i = 0; i < flips; i++) out[random.below(out.length)] = random.below(256)
  return random.below(3) === 0 ? out.subarray(0, random.below(out.length) + 1) : out
}

type Outcome = readonly [facts: readonly string[], violation: string | undefined]

function whole(bytes: Buffer): Outcome {
  const transcript = new LinkTranscript({ controlLineBytesMax: 64, payloadBytesMax: 32 })
  const violation = transcript.take(bytes)
  return [transcript.facts, violation]
}

function cutAtRandom(bytes: Buffer, random: SeededRandom): Outcome {
  const transcript = new LinkTranscript({ controlLineBytesMax: 64, payloadBytesMax: 32 })
  let violation: string | undefined
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + random.below(1 + random.below(bytes.length))
    violation = transcript.take(bytes.subarray(at, at + size))
    at += size
  }
  return [transcript.facts, violation]
}
