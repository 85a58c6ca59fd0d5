import assert from 'node:assert/strict'
import { RawClient } from '../support/broker-harness.ts'
import { ConfiguredBroker } from '../support/configured-broker.ts'
import { NatsServerPeer } from '../support/nats-server-peer.ts'
import { SCENARIOS, type Script } from './core-scripts.ts'

/**
 * The same bytes to a real nats-server and to us, and the same bytes back: every -ERR, what is
 * verbose and pedantic, and the order of it all. Both have the same configuration file. INFO alone is compared
 * by its fields, because each server has a name and a port of its own.
 */
const ATTEMPTS = 3

describe('the core beside a real nats-server', function () {
  this.timeout(60_000)

  for (const { name, config, scripts } of SCENARIOS) {
    describe(name, () => {
      let theirs: NatsServerPeer
      let ours: ConfiguredBroker

      before(async () => {
        theirs = await NatsServerPeer.start(config)
        ours = await ConfiguredBroker.start(config)
      })
      after(async () => {
        await ours?.stop()
        await theirs?.stop()
      })

      for (const script of scripts) {
        it(script.map(([who, text]) => `${who}: ${JSON.stringify(text)}`).join(' '), async () => {
          // A socket that is closed on what was still on its way may lose the last words: then again.
          for (let attempt = 1; ; attempt++) {
            const expected = await play(theirs.port, script)
            const actual = await play(ours.harness.port, script)
            if (attempt === ATTEMPTS) assert.deepEqual(actual, expected)
            else if (isSame(actual, expected)) return
          }
        })
      }
    })
  }
})

function isSame(actual: unknown, expected: unknown): boolean {
  return JSON.stringify(actual) === JSON.stringify(expected)
}

/** What each client got, by its name; a step is over at the PONG behind it, or the close. */
async function play(port: number, script: Script): Promise<Record<string, string>> {
  const clients = new Map<string, RawClient>()
  try {
    for (const [who, text] of script) {
      let client = clients.get(who)
      if (client === undefined) {
        client = await RawClient.connect(port)
        clients.set(who, client)
        await client.until(() => client?.received.includes('\r\n') ?? false, 'INFO')
      }
      await step(client, text)
    }
    // What was sent to a client before this PING is there at its PONG.
    for (const client of clients.values()) await step(client, '')
    const said: Record<string, string> = {}
    for (const [who, client] of clients) said[who] = transcriptOf(client)
    return said
  } finally {
    for (const client of clients.values()) client.close()
  }
}

async function step(client: RawClient, text: string): Promise<void> {
  if (client.isClosed) return
  const pongs = pongsIn(client.received) + (text.match(/^PING\r\n/gim)?.length ?? 0) + 1
  client.send(`${text}PING\r\n`)
  await client.until(() => client.isClosed || pongsIn(client.received) >= pongs, 'PONG')
}

function pongsIn(text: string): number {
  return text.split('PONG\r\n').length - 1
}

function transcriptOf(client: RawClient): string {
  // A server's first PING comes some seconds after the login, by the way.
  const received = client.received.replace(/^PING\r\n/gm, '')
  const text = received.replace(/INFO (\{[^\r]*\}) ?\r\n/g, (_, json: string) => {
    const info: Record<string, unknown> = JSON.parse(json)
    return `<INFO ${JSON.stringify(factsOf(info))}>`
  })
  return client.isClosed ? `${text}<closed>` : text
}

/** Which fields there are, and the values that a configuration decides. */
function factsOf(info: Record<string, unknown>): Record<string, unknown> {
  const facts: Record<string, unknown> = {}
  for (const key of Object.keys(info).toSorted()) {
    if (IGNORED.has(key)) continue
    // With `no_auth_user` the first INFO asks for nothing, and their second one does all the same.
    if (key === 'auth_required' && info['connect_info'] === true) continue
    facts[key] = COMPARED.has(key) ? info[key] : typeof info[key]
  }
  return facts
}

/** They always have a curve key, we when auth callouts need one. */
const IGNORED = new Set(['git_commit', 'xkey'])

const COMPARED = new Set([
  'acc_is_sys',
  'auth_required',
  'client_ip',
  'connect_info',
  'headers',
  'max_payload',
  'proto',
  'remote_account',
])
