import assert from 'node:assert/strict'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { type FleetFacts, until } from '../support/fleet-harness.ts'
import { DEADLINE_MS } from '../support/patience.ts'
import {
  ACCOUNTS,
  type AccountName,
  HUBS,
  type HubName,
  RegionProcesses,
} from '../support/region-processes.ts'
import { Sensor } from '../support/sensor.ts'

/**
 * The supercluster as operators run it: real processes, killed with -9, started again, cut and
 * stalled at random. Live messages may be lost by that and nothing else may befall them; what was
 * acknowledged is stored once, wherever; and when the faults are over everybody hears everything.
 */

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const ROUNDS = Number(process.env['ROUNDS'] ?? 6)
const PROBE_MS = 500

type Place = HubName | 'leaf'

interface Client {
  readonly place: Place
  readonly account: AccountName
  readonly connection: NatsConnection
}

/** A subscription, and all that it ever got. */
interface Member {
  readonly client: Client
  readonly queue: string
  readonly got: string[]
}

describe('a supercluster of processes that are killed', function () {
  this.timeout(10 * 60_000)
  let regions: RegionProcesses
  let random: SeededRandom
  let clients: Client[]
  let members: Member[]
  let sensor: Sensor
  let messages: number
  /** Of what was published to the streams of two hubs. */
  let acknowledged: Set<string>

  before(async () => {
    regions = await RegionProcesses.create()
    random = new SeededRandom(SEED)
    clients = []
    members = []
    messages = 0
    acknowledged = new Set()
    sensor = new Sensor({ name: 's', mqttPort: regions.mqttPort, inFlightMax: 10 })
  })

  after(async () => {
    await sensor.stop()
    await Promise.all(clients.map(({ connection }) => connection.close()))
    await regions.destroy()
  })

  it(`${ROUNDS} rounds of faults under load, SEED=${SEED}`, async () => {
    await Promise.all([...regions.hubs.values(), regions.leaf].map((process) => process.start()))
    for (const place of HUBS) for (const account of ACCOUNTS) await join(place, account)
    await join('leaf', '$G')
    sensor.start()
    await explained('at first', converged)
    for (let round = 0; round < ROUNDS; round++) {
      const { name, inject } = pick(FAULTS)
      await explained(`round ${round}, ${name}`, async () => {
        await load()
        await inject()
        await load()
        check()
      })
    }
    for (const link of regions.links) link.heal()
    await explained('at the end', converged)
    check()
    await explained('what was stored', stored)
  })

  async function join(place: Place, account: AccountName): Promise<void> {
    const connection = await regions.connect(place, account)
    const client = { place, account, connection }
    clients.push(client)
    for (const [subject, queue] of [
      ['live.*', ''],
      ['work.*', 'workers'],
    ] as const) {
      const member: Member = { client, queue, got: [] }
      members.push(member)
      connection.subscribe(subject, {
        ...(queue === '' ? {} : { queue }),
        callback: (_error, message) => {
          member.got.push(message.string())
        },
      })
    }
  }

  const FAULTS: readonly { readonly name: string; readonly inject: () => Promise<void> }[] = [
    {
      name: 'a hub is killed, and comes back',
      async inject() {
        const hub = regions.hubs.get(pick(HUBS))!
        await hub.kill()
        await load()
        await hub.start()
      },
    },
    {
      name: 'two hubs are killed, and come back',
      async inject() {
        const gone = pick(HUBS)
        const hubs = HUBS.filter((name) => name !== gone).map((name) => regions.hubs.get(name)!)
        await Promise.all(hubs.map((hub) => hub.kill()))
        await load()
        await Promise.all(hubs.map((hub) => hub.start()))
      },
    },
    {
      name: 'the leaf is killed, and comes back',
      async inject() {
        await regions.leaf.kill()
        await load()
        await regions.leaf.start()
      },
    },
    {
      name: 'links of a hub are cut',
      async inject() {
        const { cluster, gateway, webSocket } = regions.proxies.get(pick(HUBS))!
        const links = [cluster, gateway, webSocket].filter(() => random.below(2) === 0)
        for (const link of links) link.cut()
        await load()
        for (const link of links) link.heal()
      },
    },
    {
      name: 'links of a hub stall',
      async inject() {
        const { cluster, gateway, webSocket } = regions.proxies.get(pick(HUBS))!
        for (const link of [cluster, gateway, webSocket]) link.stall()
        await load()
        for (const link of [cluster, gateway, webSocket]) link.heal()
      },
    },
    {
      name: 'one end of the links of a hub is gone',
      async inject() {
        const { cluster, gateway, webSocket } = regions.proxies.get(pick(HUBS))!
        for (const link of [cluster, gateway, webSocket]) link.halfOpen()
      },
    },
  ]

  /** Messages from everybody who is connected, until a random number of them has been sent. */
  async function load(): Promise<void> {
    const goal = 20 + random.below(60)
    for (let i = 0; i < goal; i++) {
      const client = pick(clients)
      send(client, pick(['live', 'work']))
      if (client.account === '$G' && client.place !== 'leaf' && i % 4 === 0) keep(client)
    }
    const readings = sensor.acknowledged.size + 20 + random.below(100)
    await until(
      'readings',
      () => regions.leaf.isRunning && sensor.acknowledged.size < readings,
      (isWaiting) => !isWaiting,
      DEADLINE_MS,
    )
  }

  function send({ connection, account }: Client, kind: string): string {
    const text = `${account} ${kind} ${++messages}`
    connection.publish(`${kind}.${messages}`, text)
    return text
  }

  /** Without a message id, and sent once: an unanswered one may be stored, and may be not. */
  function keep({ connection }: Client): void {
    const text = `kept ${++messages}`
    jetstream(connection)
      .publish(`kept.${messages}`, text, { timeout: 2_000 })
      .then(
        () => acknowledged.add(text),
        () => {},
      )
  }

  /** Nothing twice, nothing of another account, and of a queue group one member only. */
  function check(): void {
    const groups = new Set<string>()
    for (const { client, queue, got } of members) {
      const where = `${client.place} ${client.account}, SEED=${SEED}`
      const seen = new Set<string>()
      for (const text of got) {
        const [account, kind] = text.split(' ')
        assert.equal(account, client.account, `${text} came to a stranger at ${where}`)
        assert.equal(kind, queue === '' ? 'live' : 'work', where)
        assert.ok(!seen.has(text), `${text} came twice to ${where}`)
        assert.ok(queue === '' || !groups.has(text), `${text} came to a second member, at ${where}`)
        seen.add(text)
        if (queue !== '') groups.add(text)
      }
    }
  }

  /**
   * From everywhere to everybody, and exactly so; and nobody believes in interest that is no more.
   * Before that the servers have to have found each other, which shows by messages that arrive.
   */
  async function converged(): Promise<void> {
    for (const client of clients) {
      await until('all ears', () => reaches(client), Boolean, DEADLINE_MS)
    }
    for (const client of clients) {
      assert.ok(await reaches(client), `all hear ${client.place} ${client.account} again`)
      await until('no responders', () => isUnheard(client), Boolean, DEADLINE_MS)
    }
  }

  async function reaches(client: Client): Promise<boolean> {
    const [live, work] = [send(client, 'live'), send(client, 'work')]
    const own = members.filter((it) => it.client.account === client.account)
    const has = (): boolean =>
      own.filter((it) => it.queue === '').every((it) => it.got.includes(live)) &&
      own.some((it) => it.got.includes(work))
    return until('an echo', has, Boolean, PROBE_MS).catch(() => false)
  }

  async function isUnheard({ connection }: Client): Promise<boolean> {
    return connection.request('nobody.listens', '', { timeout: PROBE_MS }).then(
      () => false,
      (error: Error) => /no responders/i.test(error.message),
    )
  }

  /** Readings at their home and messages in the streams of two hubs: each once over all hubs. */
  async function stored(): Promise<void> {
    await sensor.stop()
    const atHome = clients.filter(
      ({ place, account }) => place.startsWith('eu') && account === '$G',
    )
    const buffer = await until('drained buffers', () => drained(atHome), Boolean, DEADLINE_MS)
    assert.equal(buffer?.lost_msgs, 0)
    assert.equal(buffer?.evicted_msgs, 0)

    const readings = (await Promise.all(atHome.map((client) => read(client, 'plant'))))
      .filter((list) => list.length > 0)
      .map((list) => list.map((text) => (JSON.parse(text) as { n: number }).n))
    assert.equal(readings.length, 1, 'all of them at one home')
    const list = readings[0]!
    assert.equal(new Set(list).size, list.length, 'no reading twice')
    assert.deepEqual(
      list,
      [...list].sort((a, b) => a - b),
      'in order',
    )
    const there = new Set(list)
    assert.deepEqual(
      [...sensor.acknowledged].filter((n) => !there.has(n)),
      [],
      'acknowledged, and not at home',
    )

    const keepers = clients.filter(({ place, account }) => account === '$G' && hasKept(place))
    const kept = (await Promise.all(keepers.map((client) => read(client, 'kept')))).flat()
    assert.equal(new Set(kept).size, kept.length, 'nothing is kept twice')
    const missing = [...acknowledged].filter((text) => !kept.includes(text))
    assert.deepEqual(missing, [], 'acknowledged, and kept nowhere')
    assert.ok(acknowledged.size > 0, 'something was kept')
  }

  async function drained(atHome: readonly Client[]) {
    for (const { connection } of atHome) {
      const answer = await connection.request('$FLEET.STATUS', '', { timeout: 5_000 })
      const buffer = answer.json<FleetFacts>().leaves[0]?.buffers[0]
      if (buffer?.backlog_msgs === 0 && buffer.synced_seq === buffer.last_seq) return buffer
    }
    return undefined
  }

  async function read({ connection }: Client, stream: string): Promise<string[]> {
    const { state } = await (await jetstreamManager(connection)).streams.info(stream)
    const texts: string[] = []
    if (state.messages === 0) return texts
    const consumer = await jetstream(connection).consumers.get(stream)
    for await (const message of await consumer.consume({ max_messages: 500 })) {
      texts.push(message.string())
      if (texts.length === state.messages) break
    }
    return texts
  }

  function pick<T>(values: readonly T[]): T {
    return values[random.below(values.length)]!
  }

  async function explained<T>(where: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : String(cause)
      throw new Error(`SEED=${SEED}, ${where}: ${text}\n${regions.lastWords()}`, { cause })
    }
  }
})

function hasKept(place: Place): boolean {
  return place === 'eu-1' || place === 'us-1'
}
