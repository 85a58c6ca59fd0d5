import assert from 'node:assert/strict'
import { headers, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { type AccountServer, natsServer, petioleHub } from '../support/account-servers.ts'
import { eventually } from '../support/link-node.ts'
import { DEADLINE_MS } from '../support/patience.ts'

/**
 * Exports and imports beside nats-server: the same file, the same clients, the same transcript of what
 * each subscription got. Replies of services and round trips differ by nature and are shown as `<…>`.
 */
const CONFIG = `
server_name: test
accounts {
  A {
    users: [{ user: a, password: a }]
    exports: [
      { stream: "plant.>" }
      { stream: "private.>", accounts: [B] }
      { stream: "own.*.x", account_token_position: 2 }
      { service: "help" }
      { service: "time.*" }
      { service: "many.>", response: stream }
      { service: "chunks", response: chunked, threshold: "500ms" }
      { service: "shared" }
      { service: "chain.>" }
      { service: "mapped.>" }
    ]
    mappings: { "mapped.old": "mapped.new" }
  }
  B {
    users: [{ user: b, password: b }]
    imports: [
      { stream: { account: A, subject: "plant.>" } }
      { stream: { account: A, subject: "plant.*.temp" }, prefix: "pre" }
      { stream: { account: A, subject: "plant.*.*" }, to: "swapped.$2.$1" }
      { stream: { account: A, subject: "private.>" } }
      { stream: { account: A, subject: "own.B.x" }, to: "mine" }
      { service: { account: A, subject: "help" } }
      { service: { account: A, subject: "time.*" }, to: "clock.$1" }
      { service: { account: A, subject: "many.>" } }
      { service: { account: A, subject: "chunks" } }
      { service: { account: A, subject: "shared" }, share: true }
      { service: { account: A, subject: "mapped.>" } }
      { service: { account: A, subject: "chain.>" }, to: "link.>" }
    ]
    exports: [ { service: "link.>" } ]
  }
  C {
    users: [{ user: c, password: c }]
    imports: [
      { stream: { account: A, subject: "plant.1.temp" }, to: "one" }
      { service: { account: B, subject: "link.>" }, to: "far.>" }
      { service: { account: A, subject: "help" }, to: "please" }
    ]
  }
}`

/** What one scenario may use: clients of each account, and a transcript. */
class Stage {
  readonly server: AccountServer
  readonly lines: string[] = []
  readonly #clients: NatsConnection[] = []

  constructor(server: AccountServer) {
    this.server = server
  }

  async client(user: string): Promise<NatsConnection> {
    const client = await this.server.client(user)
    this.#clients.push(client)
    return client
  }

  /** Subscribes and writes down what comes, under `label`. */
  hear(client: NatsConnection, label: string, subject: string, options = {}): void {
    client.subscribe(subject, {
      ...options,
      callback: (_error, message) => void this.lines.push(`${label}: ${shown(message)}`),
    })
  }

  note(text: string): void {
    this.lines.push(text)
  }

  async flush(): Promise<void> {
    for (let round = 0; round < 3; round++) {
      for (const client of this.#clients) await client.flush()
    }
  }

  async close(): Promise<void> {
    for (const client of this.#clients) await client.close()
  }
}

function shown(message: Msg): string {
  const { subject, reply = '' } = message
  const fields = [...(message.headers ?? [])].map(([name, values]) => `${name}=${values.join('|')}`)
  const text = `${subject} [${reply}] {${fields.toSorted().join(' ')}} ${message.string()}`
  return text
    .replace(/_R_\.\w+\.\w+(\.\w+\.T)?/g, '<reply>')
    .replace(/_INBOX\.\w+(\.\w+)?/g, '<inbox>')
    .replace(/"rtt":\d+,?/g, '')
    .replace(/"(start|id|host|kind|client_type|lang|ver)":("[^"]*"|\d+)/g, '"$1":<>')
    .replace(/,}/g, '}')
}

async function asked(
  client: NatsConnection,
  subject: string,
  payload = 'q',
  options: Record<string, unknown> = {},
): Promise<string> {
  try {
    return shown(await client.request(subject, payload, { timeout: DEADLINE_MS, ...options }))
  } catch (error) {
    const cause = (error as Error).cause
    return `${(error as Error).name}${cause instanceof Error ? ` ${cause.name}` : ''}`
  }
}

type Scenario = (stage: Stage) => Promise<void>

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'streams come under every name that they are imported to': async (stage) => {
    const a = await stage.client('a')
    const b = await stage.client('b')
    const c = await stage.client('c')
    for (const subject of ['plant.1.temp', 'plant.*.temp', 'plant.>', 'pre.>', 'pre.plant.1.temp'])
      stage.hear(b, `b ${subject}`, subject)
    for (const subject of ['swapped.*.1', 'swapped.>', '*.*.1', '*.temp.1', 'nothing.>'])
      stage.hear(b, `b ${subject}`, subject)
    stage.hear(c, 'c one', 'one')
    stage.hear(c, 'c plant', 'plant.>')
    await stage.flush()
    a.publish('plant.1.temp', 'x')
    a.publish('plant.2.temp', 'y', { reply: 'back' })
    a.publish('plant.3.other.more', 'z')
    b.publish('plant.1.temp', 'own')
    await stage.flush()
  },
  'private streams come to whom they are for': async (stage) => {
    const a = await stage.client('a')
    const b = await stage.client('b')
    stage.hear(b, 'b private', 'private.>')
    stage.hear(b, 'b mine', 'mine')
    await stage.flush()
    a.publish('private.x', '1')
    a.publish('own.B.x', '2')
    a.publish('own.C.x', '3')
    await stage.flush()
  },
  'subscriptions end there when they end here': async (stage) => {
    const a = await stage.client('a')
    const b = await stage.client('b')
    stage.hear(b, 'b twice', 'swapped.*.1', { max: 2 })
    const other = b.subscribe('plant.9.x', { callback: () => stage.note('ended') })
    await stage.flush()
    other.unsubscribe()
    await stage.flush()
    for (let i = 0; i < 4; i++) a.publish('plant.1.temp', `${i}`)
    a.publish('plant.9.x', 'x')
    await stage.flush()
  },
  'one member of a queue group gets it': async (stage) => {
    const a = await stage.client('a')
    const b = await stage.client('b')
    let count = 0
    for (let i = 0; i < 3; i++)
      b.subscribe('plant.*.q', { queue: 'g', callback: () => void count++ })
    await stage.flush()
    for (let i = 0; i < 20; i++) a.publish('plant.1.q', 'x')
    await stage.flush()
    stage.note(`${count}`)
  },
  'services answer under every name': async (stage) => {
    const a = await stage.client('a')
    const b = await stage.client('b')
    const c = await stage.client('c')
    for (const subject of ['help', 'time.*', 'mapped.>', 'chain.>']) {
      a.subscribe(subject, {
        queue: 'workers',
        callback: (_error, message) => {
          stage.note(`a: ${shown(message)}`)
          message.respond(`answer to ${message.string()}`)
          message.respond('once more')
        },
      })
    }
    await stage.flush()
    for (const subject of ['help', 'clock.utc', 'mapped.old', 'mapped.other', 'link.x.y'])
      stage.note(await asked(b, subject))
    for (const subject of ['please', 'far.1.2', 'help']) stage.note(await asked(c, subject))
    const fields = headers()
    fields.set('K', 'v')
    fields.set('Nats-Request-Info', '{"acc":"forged"}')
    stage.note(await asked(b, 'help', 'h', { headers: fields }))
    b.publish('help', 'no reply')
    await stage.flush()
  },
  'nobody answers': async (stage) => {
    const b = await stage.client('b')
    const c = await stage.client('c')
    stage.hear(b, 'raw', 'raw.inbox')
    for (const subject of ['help', 'clock.utc', 'link.1']) stage.note(await asked(b, subject))
    stage.note(await asked(c, 'far.1'))
    await stage.flush()
    b.publish('clock.utc', 'q', { reply: 'raw.inbox' })
    await stage.flush()
  },
  'streams of answers': async (stage) => {
    const a = await stage.client('a')
    const b = await stage.client('b')
    let reply = ''
    for (const subject of ['many.>', 'chunks']) {
      a.subscribe(subject, {
        callback: (_error, message) => {
          reply = message.reply ?? ''
          for (const text of ['1', '2', '3', '', 'after']) message.respond(text)
        },
      })
    }
    stage.hear(b, 'b', 'answers')
    await stage.flush()
    b.publish('many.x', 'q', { reply: 'answers' })
    await stage.flush()
    b.publish('chunks', 'q', { reply: 'answers' })
    await stage.flush()
    a.publish(reply, 'too late')
    await stage.flush()
  },
  'requests say who asks': async (stage) => {
    const a = await stage.client('a')
    const b = await stage.client('b')
    a.subscribe('shared', {
      callback: (_error, message) => {
        stage.note(shown(message))
        message.respond('')
      },
    })
    await stage.flush()
    stage.note(await asked(b, 'shared'))
  },
  'an answer may ask back': async (stage) => {
    const a = await stage.client('a')
    const b = await stage.client('b')
    a.subscribe('many.more', {
      callback: (_error, message) => void message.respond('and?', { reply: 'rest' }),
    })
    stage.hear(a, 'a', 'rest')
    b.subscribe('answers', {
      callback: (_error, message) => {
        stage.note(`b: ${shown(message)}`)
        message.respond('that')
      },
    })
    await stage.flush()
    b.publish('many.more', 'q', { reply: 'answers' })
    await stage.flush()
  },
  'who has stopped listening gets nothing': async (stage) => {
    const a = await stage.client('a')
    const b = await stage.client('b')
    let reply = ''
    a.subscribe('help', {
      callback: (_error, message) => {
        reply = message.reply ?? ''
      },
    })
    const inbox = b.subscribe('inbox.1', { callback: () => stage.note('heard') })
    await stage.flush()
    b.publish('help', 'q', { reply: 'inbox.1' })
    await eventually(() => reply !== '', 'the request')
    inbox.unsubscribe()
    await stage.flush()
    stage.hear(b, 'b', 'inbox.1')
    await stage.flush()
    a.publish(reply, 'late')
    b.publish('inbox.1', 'own')
    await stage.flush()
  },
}

describe('imports, beside nats-server', () => {
  let servers: AccountServer[] = []
  before(async () => {
    servers = [await natsServer(CONFIG), await petioleHub(CONFIG)]
  })
  after(async () => {
    for (const server of servers) await server.stop()
  })

  for (const [name, scenario] of Object.entries(SCENARIOS)) {
    it(name, async () => {
      const transcripts: string[][] = []
      for (const server of servers) {
        const stage = new Stage(server)
        await scenario(stage)
        await stage.close()
        transcripts.push(stage.lines.toSorted())
      }
      const [theirs = [], ours = []] = transcripts
      assert.ok(theirs.length > 0, 'nothing happened')
      assert.deepEqual(ours, theirs)
    })
  }
})
