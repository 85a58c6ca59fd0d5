import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { jetstream } from '@nats-io/jetstream'
import { type KV, Kvm, type KvWatchEntry } from '@nats-io/kv'
import { Objm } from '@nats-io/obj'
import type { NatsConnection } from '@nats-io/transport-node'
import { Hub } from '../../hub/index.ts'
import { Leaf } from '../../leaf/index.ts'
import { type ConfigInput, parseConfig } from '../../shared/config/index.ts'
import { silentLog } from '../../shared/log/index.ts'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { systemMachine } from '../../shared/server/index.ts'
import { freePort } from '../support/free-ports.ts'
import { eventually } from '../support/link-node.ts'
import { NatsServerPeer } from '../support/nats-server-peer.ts'
import { connect } from '../support/patience.ts'
import { until } from '../support/sourcing-world.ts'

const MACHINE = {
  machine: systemMachine(silentLog),
  log: silentLog,
  version: '0.1.0',
  frontDoors: [],
}
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000)

/** Buckets and object stores by the official client: here, and in a domain at the other end of a link. */
describe('interop: key-value buckets and object stores', function () {
  this.timeout(60_000)
  let directory: string
  const stop: (() => Promise<unknown>)[] = []
  /** Whose client, and the domain whose stores it uses. */
  const roads = new Map<string, { client: NatsConnection; domain: string | undefined }>()

  before(async () => {
    directory = mkdtempSync(path.join(tmpdir(), 'petiole-kv-'))
    const config = (name: string): ConfigInput => ({
      server_name: name,
      listen: '127.0.0.1:-1',
      jetstream: { store_dir: path.join(directory, name), domain: name },
    })
    const nats = async (text: string, domain: string): Promise<NatsConnection> => {
      const peer = await NatsServerPeer.start(`server_name: ${domain}
        jetstream { store_dir: "%DIR%", domain: ${domain} }\n${text}`)
      stop.push(() => peer.stop())
      return peer.client()
    }
    const petiole = async (server: Hub | Leaf): Promise<NatsConnection> => {
      stop.push(() => server.destroy())
      const client = await connect({ servers: `127.0.0.1:${server.ports?.client.port}` })
      stop.push(() => client.close())
      return client
    }
    const hubConfig = { ...config('hub'), leafnodes: { listen: '127.0.0.1:-1' } }
    const hub = await Hub.start({ ...MACHINE, config: parseConfig(hubConfig, 'hub') })
    const atHub = await petiole(hub)
    const url = `nats-leaf://127.0.0.1:${hub.ports?.leafNodes?.port}`
    const theirLeaf = await nats(`leafnodes { remotes: [ { url: "${url}" } ] }`, 'theirleaf')
    const port = await freePort()
    const theirHub = await nats(`leafnodes { listen: "127.0.0.1:${port}" }`, 'theirhub')
    const remotes = [{ url: `nats-leaf://127.0.0.1:${port}` }]
    const leafConfig = { ...config('leaf'), leafnodes: { remotes } }
    const atLeaf = await petiole(
      await Leaf.start({ ...MACHINE, config: parseConfig(leafConfig, 'leaf') }),
    )
    roads.set('at a Petiole', { client: atHub, domain: undefined })
    roads.set('of a Petiole hub, from a nats-server', { client: theirLeaf, domain: 'hub' })
    roads.set('of a nats-server, from a Petiole hub', { client: atHub, domain: 'theirleaf' })
    roads.set('of a Petiole leaf, from a nats-server', { client: theirHub, domain: 'leaf' })
    roads.set('of a nats-server, from a Petiole leaf', { client: atLeaf, domain: 'theirhub' })
    for (const { client, domain } of roads.values()) await reachable(client, domain)
  })
  after(async () => {
    for (const it of stop.reverse()) await it()
    rmSync(directory, { recursive: true, force: true })
  })

  for (const name of [
    'at a Petiole',
    'of a Petiole hub, from a nats-server',
    'of a nats-server, from a Petiole hub',
    'of a Petiole leaf, from a nats-server',
    'of a nats-server, from a Petiole leaf',
  ]) {
    const contextOf = () => {
      const { client, domain } = roads.get(name) ?? assert.fail(name)
      return jetstream(client, domain === undefined ? {} : { domain })
    }

    describe(name, () => {
      let bucket: KV
      beforeEach(async () => {
        bucket = await new Kvm(contextOf()).create('b', { history: 5, allow_direct: true })
      })
      afterEach(() => bucket.destroy())

      it('keeps values, their history, and what is expected of them', async () => {
        const first = await bucket.create('k.a', 'one')
        await assert.rejects(bucket.create('k.a', 'again'), /wrong last sequence/)
        const second = await bucket.update('k.a', 'two', first)
        await assert.rejects(bucket.update('k.a', 'three', first), /wrong last sequence/)
        assert.equal((await bucket.get('k.a'))?.string(), 'two')
        assert.equal((await bucket.get('k.a', { revision: first }))?.string(), 'one')
        assert.equal(await bucket.get('k.none'), null)
        await bucket.delete('k.a')
        assert.equal((await bucket.get('k.a'))?.operation, 'DEL')
        const again = await bucket.create('k.a', 'four')
        assert.ok(again > second)
        const history: string[] = []
        for await (const entry of await bucket.history({ key: 'k.a' })) {
          history.push(`${entry.operation} ${entry.string()}`)
        }
        assert.deepEqual(history, ['PUT one', 'PUT two', 'DEL ', 'PUT four'])
      })

      it('forgets the oldest of a key, and all of it when it is purged', async () => {
        for (let i = 1; i <= 9; i++) await bucket.put('k', `${i}`)
        assert.deepEqual(await historyOf(bucket, 'k'), ['5', '6', '7', '8', '9'])
        await bucket.put('other', 'x')
        await bucket.purge('k')
        assert.deepEqual(await historyOf(bucket, 'k'), ['PURGE'])
        const keys: string[] = []
        for await (const key of await bucket.keys()) keys.push(key)
        assert.deepEqual(keys, ['other'])
        const { values } = await bucket.status()
        assert.equal(values, 2)
        assert.deepEqual(await historyOf(bucket, 'other'), ['x'])
      })

      it('tells watchers what is there, and what comes', async () => {
        await bucket.put('a.1', 'old')
        await bucket.put('b.1', 'nobody')
        const seen: string[] = []
        const watch = await bucket.watch({ key: 'a.*' })
        const reading = collect(watch, seen)
        await eventually(() => seen.length === 1, 'what was there')
        await bucket.put('a.2', 'new')
        await bucket.delete('a.1')
        await bucket.put('b.2', 'nobody')
        await bucket.put('a.3', 'last')
        await eventually(() => seen.length === 4, 'what came')
        watch.stop()
        await reading
        assert.deepEqual(seen, ['PUT a.1 old', 'PUT a.2 new', 'DEL a.1 ', 'PUT a.3 last'])
        const news: string[] = []
        const updates = await bucket.watch({ include: 'updates' as never })
        const readingNews = collect(updates, news)
        await bucket.put('z', 'only this')
        await eventually(() => news.length === 1, 'the update')
        updates.stop()
        await readingNews
        assert.deepEqual(news, ['PUT z only this'])
      })

      it('lets values, and the markers of those that went, expire', async () => {
        const context = contextOf()
        const short = await new Kvm(context).create('t', { history: 2, markerTTL: 2_000 })
        await short.create('k', 'soon gone', '1s')
        await short.put('kept', 'x')
        const seen: string[] = []
        const watch = await short.watch({ key: 'k' })
        const reading = collect(watch, seen)
        await eventually(() => seen.length === 2, 'the marker')
        watch.stop()
        await reading
        assert.deepEqual(
          seen.map((it) => it.slice(0, 5)),
          ['PUT k', 'PURGE'],
        )
        await until(async () => (await short.get('k')) === null, 'the marker’s end')
        assert.equal((await short.get('kept'))?.string(), 'x')
        await short.destroy()
      })

      it(`keeps objects of any size, and knows them by their digests: SEED=${SEED}`, async () => {
        const store = await new Objm(contextOf()).create('o', { description: 'things' })
        const random = new SeededRandom(SEED)
        for (const size of [0, 1, 128 * 1024, 1_500_000]) {
          const bytes = random.bytes(size)
          const info = await store.putBlob({ name: `of ${size}` }, bytes)
          const digest = createHash('sha256').update(bytes).digest('base64url')
          assert.equal(info.digest, `SHA-256=${digest.padEnd(44, '=')}`)
          const got = await store.getBlob(`of ${size}`)
          assert.ok(got !== null && Buffer.from(got).equals(bytes), `${size} bytes`)
        }
        assert.equal((await store.list()).length, 4)
        assert.equal((await store.status()).description, 'things')
        await store.destroy()
      })

      it('has links, new versions, what was deleted, and whoever watches', async () => {
        const store = await new Objm(contextOf()).create('o')
        const seen: string[] = []
        const watch = await store.watch()
        const reading = (async () => {
          for await (const info of watch) seen.push(`${info.name} ${info.size} ${info.deleted}`)
        })()
        const target = await store.putBlob({ name: 'a' }, Buffer.from('first'))
        await store.link('l', target)
        assert.equal(Buffer.from((await store.getBlob('l')) ?? []).toString(), 'first')
        await store.putBlob({ name: 'a' }, Buffer.from('second!'))
        assert.equal(Buffer.from((await store.getBlob('l')) ?? []).toString(), 'second!')
        await store.update('a', { name: 'b', description: 'renamed' })
        assert.equal((await store.info('b'))?.description, 'renamed')
        assert.equal(await store.info('a'), null)
        await store.delete('b')
        assert.equal(await store.getBlob('b'), null)
        await eventually(() => seen.some((it) => it === 'b 0 true'), 'the deletion')
        watch.stop()
        await reading
        assert.ok(seen.includes('a 5 undefined') || seen.includes('a 5 false'), seen.join(' | '))
        await store.seal()
        await assert.rejects(store.putBlob({ name: 'c' }, Buffer.from('x')))
        await store.destroy()
      })
    })
  }
})

/** A link takes a while to know what there is at its other end. */
async function reachable(client: NatsConnection, domain: string | undefined): Promise<void> {
  if (domain === undefined) return
  const answers = (): Promise<boolean> =>
    client.request(`$JS.${domain}.API.INFO`, '', { timeout: 500 }).then(
      () => true,
      () => false,
    )
  await until(answers, `domain ${domain}`)
}

async function historyOf(bucket: KV, key: string): Promise<string[]> {
  const values: string[] = []
  for await (const entry of await bucket.history({ key })) {
    values.push(entry.operation === 'PUT' ? entry.string() : entry.operation)
  }
  return values
}

async function collect(watch: AsyncIterable<KvWatchEntry>, seen: string[]): Promise<void> {
  for await (const entry of watch) {
    seen.push(`${entry.operation} ${entry.key} ${entry.string()}`)
  }
}
