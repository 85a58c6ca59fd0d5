import assert from 'node:assert/strict'
import { codeOf, type PetioleError, SeededRandom, wait } from '../../../shared/runtime/index.ts'
import { type Channel, slotsInUse } from '../../../shared/transport/index.ts'
import { NARROW, type SimNode, SimWorld } from '../../sim/index.ts'
import { ChannelProbe } from '../../support/channel-probe.ts'

const PORT = 7422
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)

describe('simulated world', () => {
  let world: SimWorld
  let hub: SimNode
  let leaf: SimNode

  beforeEach(() => {
    world = new SimWorld({ seed, traceLines: 20 })
    hub = world.node('hub')
    leaf = world.node('leaf-1')
  })

  afterEach(() => {
    world.destroy()
    assert.equal(slotsInUse(), 0, `seed=${seed}`)
  })

  it('keeps every byte in order over a narrow link that is partitioned and healed', async () => {
    world.setLink(hub, leaf, { ...NARROW, bytesPerMs: 500 })
    const { dialled, accepted } = await connected(world, leaf, hub)
    const bytes = new SeededRandom(seed).bytes(4_000_000)
    const right = new ChannelProbe(accepted)
    const left = new ChannelProbe(dialled)
    dialled.write(bytes)
    await world.run({ forMs: 1_000 })
    world.partition(hub, leaf)
    const before = right.size
    await world.run({ forMs: 60_000 })
    assert.equal(right.size, before, 'nothing passes a partition')
    assert.equal(left.isClosed || right.isClosed, false, 'nobody is told of it')
    world.heal(hub, leaf)
    await world.run({
      until: () => right.size === bytes.length,
      forMs: 60_000,
      what: 'all arrived',
    })
    assert.ok(right.bytes.equals(bytes), `seed=${seed}`)
    assert.ok(left.drains > 0)
  })

  it('ends in order: all bytes, then the close, on both sides', async () => {
    const { dialled, accepted } = await connected(world, leaf, hub)
    const left = new ChannelProbe(dialled)
    const right = new ChannelProbe(accepted)
    accepted.write(Buffer.alloc(1_000_000, 'x'))
    accepted.end()
    await world.run({ until: () => left.isClosed && right.isClosed, forMs: 10_000 })
    assert.equal(left.size, 1_000_000)
    assert.equal(left.error, undefined)
    assert.equal(right.error, undefined)
  })

  it('a power failure leaves the peer half-open until it sends after the restart', async () => {
    const { dialled, accepted } = await connected(world, leaf, hub)
    new ChannelProbe(dialled)
    const right = new ChannelProbe(accepted)
    world.crash(leaf)
    await world.run({ forMs: 300_000 })
    assert.equal(right.isClosed, false)
    accepted.write(Buffer.from('PING\r\n'))
    await world.run({ forMs: 60_000 })
    assert.equal(right.isClosed, false, 'a machine that is off answers nothing')
    world.restart(leaf)
    await world.run({ until: () => right.isClosed, forMs: 60_000 })
    assert.equal(right.error?.code, 'PETIOLE_CONNECTION_RESET')
  })

  it('a killed process resets its peers, and its port is free again', async () => {
    const { dialled, accepted } = await connected(world, leaf, hub)
    const left = new ChannelProbe(dialled)
    new ChannelProbe(accepted)
    world.crash(hub, 'kill')
    await world.run({ until: () => left.isClosed, forMs: 10_000 })
    assert.equal(left.error?.code, 'PETIOLE_CONNECTION_RESET')
    assert.equal(await dialFailure(world, leaf, 'hub'), 'PETIOLE_DIAL_FAILED')
    world.restart(hub)
    await connected(world, leaf, hub)
  })

  it('a cut resets both sides at once', async () => {
    const { dialled, accepted } = await connected(world, leaf, hub)
    const probes = [new ChannelProbe(dialled), new ChannelProbe(accepted)]
    world.cut(leaf, hub)
    await world.run({ until: () => probes.every((probe) => probe.isClosed), forMs: 10_000 })
    for (const probe of probes) assert.equal(probe.error?.code, 'PETIOLE_CONNECTION_RESET')
    await connected(world, leaf, hub)
  })

  it('dials as the real network does: timeout, refusal, unknown host, taken port', async () => {
    world.partition(leaf, hub)
    assert.equal(await dialFailure(world, leaf, 'hub'), 'PETIOLE_DIAL_TIMEOUT')
    world.heal()
    assert.equal(await dialFailure(world, leaf, 'hub'), 'PETIOLE_DIAL_FAILED')
    assert.equal(await dialFailure(world, leaf, 'nowhere'), 'PETIOLE_DIAL_FAILED')
    const options = { protocol: 'tcp', host: '0.0.0.0', port: PORT } as const
    const listener = await hub.machine.network.listen(options, () => {})
    await assert.rejects(
      hub.machine.network.listen(options, () => {}),
      { code: 'PETIOLE_PORT_TAKEN' },
    )
    await listener.close()
    await hub.machine.network.listen(options, () => {})
  })

  it('nothing that a crashed incarnation waits for ever happens', async () => {
    const { clock, disk, network } = leaf.machine
    const happened: string[] = []
    const note = (what: string) => (): void => void happened.push(what)
    clock.after(10, note('timer'))
    clock.soon(note('soon'))
    void wait(clock, 5).then(note('wait'))
    void disk.create('/data/a').then(note('create'), note('create failed'))
    const dial = { protocol: 'tcp', host: 'hub', port: PORT, path: '', timeoutMs: 100 } as const
    void network.dial(dial, new AbortController().signal).then(note('dial'), note('dial failed'))
    world.crash(leaf)
    clock.soon(note('soon after death'))
    void disk.list('/data').then(note('list'), note('list failed'))
    void network.dial(dial, new AbortController().signal).then(note('dial'), note('dial failed'))
    world.restart(leaf)
    await world.run({ forMs: 10_000 })
    assert.deepEqual(happened, [])
    world.crash(leaf)
    assert.throws(() => leaf.machine, /leaf-1 is down/)
  })

  it('the wall clock jumps, the monotonic one never goes back', async () => {
    const { clock } = leaf.machine
    const wallMs = clock.wallMs()
    await world.run({ forMs: 1_000 })
    assert.equal(clock.wallMs() - wallMs, 1_000)
    assert.equal(clock.monotonicMs(), 1_000)
    leaf.wall.jump(-3_600_000)
    assert.equal(clock.wallMs() - wallMs, 1_000 - 3_600_000)
    assert.equal(clock.monotonicMs(), 1_000)
    leaf.wall.set(0)
    const { clock: next } = world.restart(leaf)
    await world.run({ forMs: 5 })
    assert.equal(next.wallMs(), 5)
    assert.equal(next.monotonicMs(), 5)
  })

  it('names seed and time when a fact is not reached, and when a node throws', async () => {
    await assert.rejects(
      world.run({ until: () => false, forMs: 50, what: 'peace' }),
      new RegExp(`not reached: peace \\(seed=${seed} at`),
    )
    leaf.machine.clock.after(10, () => {
      throw new Error('boom')
    })
    await assert.rejects(world.run({ forMs: 50 }), /leaf-1 timer threw: boom \(seed=/)
  })

  it('equal seeds give equal runs, other seeds other ones', async () => {
    const hashes = [await storm(seed), await storm(seed), await storm(seed + 1)]
    assert.equal(hashes[0], hashes[1], `seed=${seed}`)
    assert.notEqual(hashes[0], hashes[2], `seed=${seed}`)
  })
})

/** A lively minute with disk writes, traffic and faults; returns the hash of the run. */
async function storm(stormSeed: number): Promise<string> {
  const world = new SimWorld({ seed: stormSeed })
  const nodes = ['hub', 'a', 'b'].map((name) => world.node(name))
  const start = (node: SimNode): void => void live(node).catch(() => {})
  for (const node of nodes) start(node)
  for (let atMs = 1_000; atMs < 60_000; atMs += 1_000 + world.random.below(2_000)) {
    const node = nodes[world.random.below(nodes.length)]!
    const other = nodes[world.random.below(nodes.length)]!
    const fault = world.random.below(4)
    world.after(atMs, () => {
      if (fault === 0) start(world.restart(node) && node)
      else if (fault === 1) world.partition(node, other)
      else if (fault === 2) world.heal()
      else world.cut(node, other)
    })
  }
  await world.run({ forMs: 60_000 })
  world.destroy()
  assert.ok(world.events > 500, `${world.events} events`)
  return world.hash
}

/** What each node of the storm does: listen, dial, chat, and write to disk. */
async function live({ name, machine }: SimNode): Promise<void> {
  const { network, disk, clock, random } = machine
  const echo = (channel: Channel): void => {
    const probe = new ChannelProbe(channel)
    probe.onBytes = (bytes) => {
      if (random.below(3) > 0) channel.write(bytes.subarray(0, random.below(bytes.length)))
    }
  }
  await network.listen({ protocol: 'tcp', host: '0.0.0.0', port: PORT }, echo)
  const file = await disk.create(`/data/${name}`).catch(() => disk.open(`/data/${name}`, 'write'))
  for (;;) {
    await file.writev([random.bytes(random.below(2_000))], await file.size())
    await file.datasync()
    await wait(clock, random.below(500))
    if (name === 'hub') continue
    const dial = { protocol: 'tcp', host: 'hub', port: PORT, path: '', timeoutMs: 2_000 } as const
    const channel = await network.dial(dial, new AbortController().signal).catch(() => undefined)
    if (channel === undefined) continue
    echo(channel)
    channel.write(random.bytes(random.below(50_000)))
  }
}

async function connected(world: SimWorld, from: SimNode, to: SimNode) {
  const options = { protocol: 'tcp', host: '0.0.0.0', port: PORT } as const
  let accepted: Channel | undefined
  let dialled: Channel | undefined
  const listener = await to.machine.network.listen(options, (channel) => {
    accepted = channel
  })
  const dial = { ...options, host: to.name, path: '', timeoutMs: 20_000 }
  void from.machine.network.dial(dial, new AbortController().signal).then((channel) => {
    dialled = channel
  })
  await world.run({ until: () => accepted !== undefined && dialled !== undefined, forMs: 30_000 })
  await listener.close()
  return { dialled: dialled!, accepted: accepted! }
}

async function dialFailure(world: SimWorld, from: SimNode, host: string): Promise<string> {
  let failure: PetioleError | undefined
  const dial = { protocol: 'tcp', host, port: PORT, path: '', timeoutMs: 3_000 } as const
  void from.machine.network
    .dial(dial, new AbortController().signal)
    .catch((error: PetioleError) => {
      failure = error
    })
  await world.run({ until: () => failure !== undefined, forMs: 10_000, what: 'the dial fails' })
  return codeOf(failure)
}
