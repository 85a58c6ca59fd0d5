/** Retained messages of one account, on a store in a temp folder or in memory, by a clock that a test moves. */
import {
  type ReplayPosition,
  type RetainedLimits,
  type RetainedMessage,
  type RetainedStore,
  RetainedStores,
} from '../../bridge-mqtt/retained/index.ts'
import { filterToSubjects } from '../../bridge-mqtt/topic-map.ts'
import type { Store } from '../../shared/store/index.ts'
import { SubjectFilter } from '../../shared/subject/index.ts'
import { StoreFolder } from './opened-store.ts'
import { StoreClock } from './store-clock.ts'

export class RetainedScene {
  readonly clock = new StoreClock()
  readonly folder: StoreFolder | undefined
  limits: Partial<RetainedLimits> = {}
  store: Store | undefined
  stores!: RetainedStores

  private constructor(folder: StoreFolder | undefined) {
    this.folder = folder
  }

  static async open(
    kind: 'journal' | 'memory',
    limits: Partial<RetainedLimits> = {},
  ): Promise<RetainedScene> {
    const scene = new RetainedScene(kind === 'journal' ? new StoreFolder() : undefined)
    scene.limits = limits
    await scene.start()
    return scene
  }

  get retained(): RetainedStore {
    return this.stores.of('A')
  }

  async start(): Promise<void> {
    const { clock, limits } = this
    this.store = await this.folder?.open({ clock })
    this.stores = await RetainedStores.open({ store: this.store, clock, limits })
  }

  async stop(): Promise<void> {
    this.stores.close()
    await this.store?.drain()
  }

  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }

  async remove(): Promise<void> {
    this.stores.close()
    await this.folder?.remove()
  }

  /** Resolves when it is on disk. */
  set(subject: string, payload: string, headers = ''): Promise<void> {
    return new Promise((resolve, reject) => {
      this.retained.set(
        Buffer.from(subject),
        Buffer.from(headers),
        Buffer.from(payload),
        (error) => (error === undefined ? resolve() : reject(error)),
      )
    })
  }

  setExpiring(subject: string, payload: string, seconds: number): Promise<void> {
    return this.set(subject, payload, `NATS/1.0\r\nMqtt-Message-Expiry: ${seconds}\r\n\r\n`)
  }

  /** What a subscription with this topic filter gets, as `subject=payload`. */
  async replayed(filter = '#', page = 100): Promise<readonly string[]> {
    return (await this.messages(filter, page)).map(shownAs).sort()
  }

  async messages(filter = '#', page = 100): Promise<readonly RetainedMessage[]> {
    const replay = this.replay(filter)
    const all: RetainedMessage[] = []
    for (;;) {
      const messages = await replay.next(page)
      if (messages.length === 0) return all
      all.push(...messages)
    }
  }

  replay(filter: string, from?: ReplayPosition) {
    const { subjects, skipsDollar } = filterToSubjects(filter)!
    return this.retained.replay(
      subjects.map((subject) => new SubjectFilter(subject)),
      skipsDollar,
      from,
    )
  }
}

export function shownAs({ subject, payload }: RetainedMessage): string {
  return `${subject}=${Buffer.from(payload)}`
}
