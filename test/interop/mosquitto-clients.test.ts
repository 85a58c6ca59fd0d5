import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import * as path from 'node:path'
import { promisify } from 'node:util'
import { FleetHarness, until } from '../support/fleet-harness.ts'
import { connect } from '../support/patience.ts'

/** mosquitto's own clients at a leaf, as operators try a broker: what they send, and what they print. */

const run = promisify(execFile)
const peer = (name: string): string => path.resolve(import.meta.dirname, '../../.peers/bin', name)

describe('mosquitto_pub and mosquitto_sub at a leaf', function () {
  this.timeout(60_000)
  let harness: FleetHarness

  before(async () => {
    harness = await FleetHarness.create()
    await Promise.all([harness.hub.start(), harness.leaf.start()])
  })

  after(() => harness.destroy())

  it('a reading at QoS 1 is acknowledged, and is at the hub', async () => {
    const { stdout } = await run(peer('mosquitto_pub'), [
      ...['-p', `${harness.ports.mqtt}`, '-q', '1', '-d'],
      ...['-t', 'plant/7/temp', '-m', '21.5'],
    ])
    assert.match(stdout, /received PUBACK \(Mid: 1, RC:0\)/)
    const stored = await until(
      'reading at the hub',
      () => harness.readStream('plant'),
      (messages) => messages.length > 0,
      10_000,
    )
    assert.deepEqual(stored, [{ subject: 'plant.7.temp', text: '21.5' }])
  })

  it('a subscriber sees what a NATS client at the hub publishes, and ends by itself', async () => {
    const subscriber = spawn(peer('mosquitto_sub'), [
      ...['-p', `${harness.ports.mqtt}`, '-q', '1', '-v'],
      ...['-t', 'command/+/set', '-C', '1'],
    ])
    let printed = ''
    subscriber.stdout.on('data', (bytes) => {
      printed += bytes
    })
    const client = await connect({ servers: `127.0.0.1:${harness.ports.hub}` })
    const ended = once(subscriber, 'exit')
    await until(
      'message for the subscriber',
      async () => {
        client.publish('command.7.set', 'on')
        await client.flush()
        return printed
      },
      (text) => /command\/7\/set on/.test(text),
      10_000,
    )
    await client.close()
    const [code] = await ended
    assert.equal(code, 0)
  })
})
