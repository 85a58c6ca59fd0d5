import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { PROXY_HEADER_BYTES_MAX, parseProxyHeader } from '../../shared/transport/proxy-header.ts'
import { proxyBlock } from '../support/proxy-headers.ts'

const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? 20_000)
const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

const CORPUS: readonly Buffer[] = [
  Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n'),
  Buffer.from('PROXY TCP6 2001:db8::1 ::ffff:192.0.2.1 1 65535\r\n'),
  Buffer.from('PROXY UNKNOWN\r\n'),
  Buffer.from(`PROXY UNKNOWN ${'f'.repeat(90)}\r\n`),
  Buffer.from('PROXY  TCP4 1.2.3.4 1.2.3.4 1 1\r\n'),
  Buffer.from('PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n\r\n'),
  proxyBlock({ source: [10, 0, 0, 7], port: 4711 }),
  proxyBlock({ source: Array(16).fill(0xfe), port: 1, extra: Buffer.alloc(100, 4) }),
  proxyBlock({ command: 0, family: 0, protocol: 0 }),
  proxyBlock({ extra: Buffer.alloc(4_096) }),
  proxyBlock({ source: [1, 2, 3] }),
  Buffer.from('CONNECT {"verbose":false}\r\nPING\r\n'),
  Buffer.from('\x16\x03\x01\x02\x00\x01\x00\x01', 'latin1'),
]

describe(`PROXY headers under random damage (seed ${seed})`, () => {
  it('an answer never changes with what comes later, is bounded, and names an address or nobody', () => {
    const random = new SeededRandom(seed)
    const seen = new Set<string>()
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = damaged(random, CORPUS[random.below(CORPUS.length)]!)
      const settled = firstAnswer(bytes, random)
      const whole = parseProxyHeader(bytes)
      const where = `seed=${seed} round=${round} ${bytes.toString('hex')}`
      if (settled !== undefined) assert.deepEqual(whole, settled, where)
      seen.add(whole.type)
      if (whole.type === 'more') assert.ok(bytes.length < PROXY_HEADER_BYTES_MAX, where)
      if (whole.type !== 'found') continue
      assert.ok(whole.size > 0 && whole.size <= bytes.length, where)
      if (whole.source === undefined) continue
      assert.notEqual(isIP(whole.source.address), 0, where)
      const { port } = whole.source
      assert.ok(Number.isInteger(port) && port >= 0 && port <= 65_535, where)
    }
    assert.deepEqual([...seen].sort(), ['bad', 'found', 'more', 'none'])
  })
})

/** The first answer other than "more", when the bytes come in pieces. */
function firstAnswer(
  bytes: Buffer,
  random: SeededRandom,
): ReturnType<typeof parseProxyHeader> | undefined {
  for (let end = 1; end < bytes.length; end += 1 + random.below(8)) {
    const answer = parseProxyHeader(bytes.subarray(0, end))
    if (answer.type !== 'more') return answer
  }
  return undefined
}

function damaged(random: SeededRandom, original: Buffer): Buffer {
  const bytes = Buffer.from(original)
  for (let flips = random.below(4); flips > 0; flips--) {
    bytes[random.below(bytes.length)] = random.below(256)
  }
  const cut = random.below(4) === 0 ? random.below(bytes.length) : bytes.length
  return Buffer.concat([bytes.subarray(0, cut), Buffer.alloc(random.below(3), 'P')])
}
