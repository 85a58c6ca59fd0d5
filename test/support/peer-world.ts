import { SimWorld } from '../sim/index.ts'
import { PeerHub, type PeerHubOptions } from './peer-hub.ts'

/** Hubs in a simulated world, for tests of what passes between them. */
export class PeerWorld {
  readonly world: SimWorld
  readonly hubs: PeerHub[] = []

  constructor(seed: number) {
    this.world = new SimWorld({ seed })
  }

  /** The node's name is the hub's unless `on` names another; the region is what precedes the dash. */
  async start(
    name: string,
    options: Partial<PeerHubOptions> & { readonly on?: string } = {},
  ): Promise<PeerHub> {
    const node = this.world.node(options.on ?? name)
    const machine = node.isUp ? node.machine : this.world.restart(node)
    const region = name.slice(0, name.indexOf('-'))
    const hub = new PeerHub({ machine, name, region, routes: [], gateways: {}, ...options })
    this.hubs.push(hub)
    await hub.mesh.start()
    await this.pass(1)
    return hub
  }

  /** `eu-1` and `eu-2` of one region, and `us-1`. */
  async three(): Promise<readonly [PeerHub, PeerHub, PeerHub]> {
    const a = await this.start('eu-1')
    const b = await this.start('eu-2', { routes: ['eu-1:6222'] })
    const c = await this.start('us-1', { gateways: { eu: ['eu-1:7222'] } })
    await this.linked()
    return [a, b, c]
  }

  /** Until all hubs are linked with all others. */
  async linked(forMs = 30_000): Promise<void> {
    await this.until(
      () => this.hubs.every((hub) => hub.peers.length === this.hubs.length - 1),
      'a full mesh',
      forMs,
    )
    await this.pass(500)
  }

  async until(fact: () => boolean, what: string, forMs = 30_000): Promise<void> {
    try {
      await this.world.run({ until: fact, forMs, what })
    } catch (cause) {
      const logs = this.hubs.map((hub) => `${hub.name} [${hub.peers}]\n${hub.log.text()}`)
      throw new Error(`${String(cause)}\n${logs.join('\n')}`, { cause })
    }
  }

  pass(ms: number): Promise<void> {
    return this.world.run({ forMs: ms })
  }

  crash(hub: PeerHub, kind: 'power' | 'kill' = 'power'): void {
    this.world.crash(this.world.node(hub.name), kind)
    this.hubs.splice(this.hubs.indexOf(hub), 1)
  }

  cut(a: PeerHub, b: PeerHub): void {
    this.world.cut(this.world.node(a.name), this.world.node(b.name))
  }

  distance(a: PeerHub, b: PeerHub, delayMs: number): void {
    const quality = { delayMs, jitterMs: 0, bytesPerMs: 100_000 }
    this.world.setLink(this.world.node(a.name), this.world.node(b.name), quality)
  }

  destroy(): void {
    this.world.destroy()
  }
}
