import assert from 'node:assert/strict'
import type { NatsConnection } from '@nats-io/transport-node'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { askTwins, ConfigTwins, clearStreams } from '../support/config-twins.ts'
import { CONSUMER_CASES } from './consumer-config-cases.ts'
import { drawCase } from './drawn-configs.ts'
import { type Case, STREAM_CASES } from './stream-config-cases.ts'

/**
 * What streams and consumers may be: each request to a real nats-server and to us, and the answers the
 * same, texts and the configuration that is answered included.
 */
const DRAWN = 150

describe('configurations beside a real nats-server', function () {
  this.timeout(5 * 60_000)
  let twins: ConfigTwins
  let clients: readonly [theirs: NatsConnection, ours: NatsConnection]

  before(async () => {
    twins = await ConfigTwins.start()
    clients = await twins.clients('a')
  })
  after(() => twins?.stop())

  for (const [name, cases] of [...STREAM_CASES, ...CONSUMER_CASES]) {
    describe(name, () => {
      for (const [i, steps] of cases.entries()) {
        it(`${i} ${titleOf(steps)}`, () => compare(steps))
      }
    })
  }

  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
  it(`says the same to ${DRAWN} drawn cases: SEED=${seed}`, async () => {
    const random = new SeededRandom(seed)
    for (let i = 0; i < DRAWN; i++) await compare(drawCase(random), `SEED=${seed} case ${i} `)
  })

  async function compare(steps: Case, title = ''): Promise<void> {
    try {
      for (const [subject, request] of steps) {
        const { ours, theirs } = await askTwins(clients, subject, request)
        assert.deepEqual(
          untried(ours),
          untried(theirs),
          `${title}${subject} ${JSON.stringify(request)}`,
        )
      }
    } finally {
      await clearStreams(clients)
    }
  }
})

/** How a mirror's first try ended may be known when its stream is answered, or later. */
function untried(answer: unknown): unknown {
  if (typeof answer !== 'object' || answer === null || !('mirror' in answer)) return answer
  const { mirror } = answer
  return { ...answer, mirror: { ...(mirror as object), error: undefined } }
}

function titleOf(steps: Case): string {
  const [subject, request] = steps.at(-1) ?? ['', '']
  return `${subject} ${typeof request === 'string' ? request : JSON.stringify(request)}`.slice(
    0,
    90,
  )
}
