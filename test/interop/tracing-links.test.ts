import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { headers, type NatsConnection } from '@nats-io/transport-node'
import { startHub, startLeaf } from '../../index.ts'
import { until } from '../support/fleet-harness.ts'
import { freePort } from '../support/free-ports.ts'
import { NatsServerPeer } from '../support/nats-server-peer.ts'
import { connect, DEADLINE_MS } from '../support/patience.ts'

type Kind = 'petiole' | 'nats-server'
type Event = Record<string, unknown>

interface Trace {
  readonly server: { readonly name: string }
  readonly request: { readonly header: Record<string, readonly string[]> }
  readonly hops?: number
  readonly events: readonly Event[]
}

interface Server {
  readonly port: number
  stop(): Promise<unknown>
}

/** Traces over a leaf link, with either server at either end: they tell the same. Needs the binary. */
describe('interop: message traces over leaf links', () => {
  let folder: string
  const servers: Server[] = []
  const connections: NatsConnection[] = []

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'petiole-traces-'))
  })

  afterEach(stop)

  async function stop(): Promise<void> {
    await Promise.all(connections.splice(0).map((connection) => connection.close()))
    await Promise.all(servers.splice(0).map((server) => server.stop()))
    await rm(folder, { recursive: true, force: true })
  }

  async function hub(kind: Kind, port: number): Promise<Server> {
    if (kind === 'nats-server') {
      return NatsServerPeer.start(
        `server_name: hub\nleafnodes { listen: "127.0.0.1:${port}" }\nmappings { "old.*": "new.{{wildcard(1)}}" }`,
      )
    }
    const running = await startHub({
      server_name: 'hub',
      host: '127.0.0.1',
      port: -1,
      leafnodes: { host: '127.0.0.1', port },
      mappings: { 'old.*': 'new.{{wildcard(1)}}' },
    })
    return { port: running.ports.client?.port ?? 0, stop: () => running.destroy() }
  }

  async function leaf(kind: Kind, port: number): Promise<Server> {
    const url = `nats-leaf://127.0.0.1:${port}`
    if (kind === 'nats-server') {
      return NatsServerPeer.start(
        `server_name: press-7\nleafnodes { reconnect: "100ms", remotes: [ { url: "${url}" } ] }`,
      )
    }
    const running = await startLeaf({
      server_name: 'press-7',
      host: '127.0.0.1',
      port: -1,
      jetstream: { store_dir: path.join(folder, 'leaf'), domain: 'press-7' },
      leafnodes: { reconnect: '100ms', remotes: [{ url }] },
    })
    return { port: running.ports.client?.port ?? 0, stop: () => running.destroy() }
  }

  async function client({ port }: Server, name: string): Promise<NatsConnection> {
    const connection = await connect({ servers: `127.0.0.1:${port}`, name })
    connections.push(connection)
    return connection
  }

  /** All traces of three messages, in order, without what differs by nature. */
  async function play(hubKind: Kind, leafKind: Kind): Promise<object> {
    const port = await freePort()
    const upper = await hub(hubKind, port)
    servers.push(upper)
    const lower = await leaf(leafKind, port)
    servers.push(lower)
    const [above, below] = [await client(upper, 'above'), await client(lower, 'below')]
    const got: string[] = []
    for (const [connection, where] of [
      [above, 'hub'],
      [below, 'leaf'],
    ] as const) {
      for (const subject of ['both.1', `${where}.1`, 'old.1', 'new.1']) {
        connection.subscribe(subject, {
          callback: (_error, message) => void got.push(`${where} ${message.subject}`),
        })
      }
      connection.subscribe(`ready.${where}`, {
        callback: (_error, message) => void message.respond(),
      })
    }
    for (const [from, to] of [
      [above, 'ready.leaf'],
      [below, 'ready.hub'],
    ] as const) {
      await until(
        to,
        () => from.request(to, '', { timeout: 300 }),
        () => true,
        DEADLINE_MS,
      )
    }
    const traces: Trace[] = []
    below.subscribe('traces', { callback: (_error, message) => void traces.push(message.json()) })
    await below.flush()
    await until(
      'interest in traces at the hub',
      () => {
        above.publish('traces', JSON.stringify({ probe: true }))
        return traces.length > 0
      },
      (it) => it,
      DEADLINE_MS,
    )
    const scenes: object[] = []
    for (const [from, subject, only, count] of [
      [below, 'both.1', '', 2],
      [below, 'hub.1', 'true', 2],
      [above, 'leaf.1', '', 2],
      [below, 'old.1', '', 2],
      [below, 'nobody', '', 1],
    ] as const) {
      traces.length = 0
      got.length = 0
      const fields = headers()
      fields.set('Nats-Trace-Dest', 'traces')
      if (only !== '') fields.set('Nats-Trace-Only', only)
      from.publish(subject, 'x', { headers: fields })
      await until(
        `${count} traces of ${subject}`,
        () => traces.filter((it) => 'events' in it).length,
        (it) => it >= count,
        DEADLINE_MS,
      )
      await above.flush()
      await below.flush()
      const told = traces.filter((it) => 'events' in it).map(plain)
      scenes.push({ subject, traces: told.sort(byText), got: [...got].sort() })
    }
    await stop()
    return scenes
  }

  it('are the same whichever server is which', async () => {
    const expected = await play('nats-server', 'nats-server')
    for (const [hubKind, leafKind] of [
      ['petiole', 'nats-server'],
      ['nats-server', 'petiole'],
      ['petiole', 'petiole'],
    ] as const) {
      folder = await mkdtemp(path.join(tmpdir(), 'petiole-traces-'))
      assert.deepEqual(await play(hubKind, leafKind), expected, `${leafKind} leaf, ${hubKind} hub`)
    }
  }).timeout(60_000)
})

function plain({ server, request, hops, events }: Trace): object {
  const shown = events.map(({ ts: _ts, cid: _cid, ...rest }) => rest)
  const hop = request.header['Nats-Trace-Hop'] ?? null
  return { server: server.name, hop, hops: hops ?? 0, events: shown.sort(byText) }
}

function byText(a: object, b: object): number {
  return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1
}
