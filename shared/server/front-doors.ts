import type { CoreConfig } from '../config/index.ts'
import type { Core, FrontDoor } from './core.ts'
import type { ServerPorts } from './listeners.ts'

/** The front doors of a server, as one. */
export class FrontDoors {
  readonly all: readonly FrontDoor[]

  constructor(all: readonly FrontDoor[]) {
    this.all = all
  }

  /** What they keep is back before `listen` opens the server's own ports; theirs open last. */
  async open(
    core: Core,
    listen: () => Promise<Omit<ServerPorts, 'frontDoors'>>,
  ): Promise<ServerPorts> {
    for (const door of this.all) await door.open?.(core)
    const ports = await listen()
    for (const door of this.all) await door.start(core)
    const doors = this.all.map(({ name, port }) => [name, port] as const)
    return { ...ports, frontDoors: Object.fromEntries(doors) }
  }

  recheck(account?: string): void {
    for (const door of this.all) door.recheck?.(account)
  }

  reload(config: CoreConfig): void {
    for (const door of this.all) door.reload?.(config)
  }

  async purge(account: string): Promise<void> {
    for (const door of this.all) await door.purge?.(account)
  }

  async drain(): Promise<void> {
    await Promise.all(this.all.map((door) => door.drain()))
  }

  async destroy(): Promise<void> {
    await Promise.all(this.all.map((door) => door.destroy()))
  }
}
