/** A real nats-server and a hub of ours with one configuration, asked the same questions. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import type { NatsConnection } from '@nats-io/transport-node'
import { Hub } from '../../hub/index.ts'
import { loadConfig } from '../../shared/config/index.ts'
import { silentLog } from '../../shared/log/index.ts'
import { SystemDisk } from '../../shared/runtime/index.ts'
import { systemMachine } from '../../shared/server/index.ts'
import { DURATION_NS_MAX } from '../../shared/stream/limits.ts'
import { ConfigFiles } from './config-files.ts'
import { eventually } from './link-node.ts'
import { NatsServerPeer } from './nats-server-peer.ts'
import { connect, DEADLINE_MS, patientLogins } from './patience.ts'

/** What most comparisons need: JetStream, and a user `a`. */
const ONE_ACCOUNT = `
server_name: test
jetstream { store_dir: "%DIR%/js" }
accounts { A { jetstream: enabled, users: [{ user: a, password: a }] } }
`

export class ConfigTwins {
  readonly #peer: NatsServerPeer
  readonly #hub: Hub
  readonly #directory: string
  readonly #clients: NatsConnection[] = []
  /** Where the peer keeps its streams, an account each. */
  readonly #folders: readonly string[]

  private constructor(
    peer: NatsServerPeer,
    hub: Hub,
    directory: string,
    accounts: readonly string[],
  ) {
    this.#peer = peer
    this.#hub = hub
    this.#directory = directory
    this.#folders = accounts.map((name) => keptFolder(peer, name))
  }

  /** @param given `%DIR%` stands for a folder of each server's own */
  static async start(given = ONE_ACCOUNT): Promise<ConfigTwins> {
    const config = patientLogins(given)
    const directory = mkdtempSync(path.join(tmpdir(), 'petiole-twins-'))
    const peer = await NatsServerPeer.start(config)
    const files = await ConfigFiles.create()
    const text = config.replaceAll('%DIR%', directory)
    const file = await files.write('hub.conf', `listen: "127.0.0.1:-1"\n${text}`)
    const { config: loaded } = await loadConfig(new SystemDisk(), file, 'hub')
    await files.remove()
    if (loaded.role !== 'hub') throw new Error('not a hub')
    const options = { machine: systemMachine(silentLog), log: silentLog, version: '0.0.0' }
    const hub = await Hub.start({ ...options, frontDoors: [], config: loaded })
    const names = loaded.accounts.map(({ name }) => name)
    return new ConfigTwins(peer, hub, directory, names)
  }

  /** One client of each; the password is the user's name. */
  async clients(user: string): Promise<TwinClients> {
    const ports = [this.#peer.port, this.#hub.core.ports?.client?.port ?? 0]
    const [theirs, ours] = await Promise.all(
      ports.map((port) =>
        connect({ servers: `127.0.0.1:${port}`, user, pass: user, reconnect: false }),
      ),
    )
    if (theirs === undefined || ours === undefined) throw new Error('two clients')
    this.#clients.push(theirs, ours)
    for (const client of [theirs, ours]) FOLDERS.set(client, this.#folders)
    return [theirs, ours]
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) await client.close()
    await this.#hub.drain()
    await this.#peer.stop()
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

export type TwinClients = readonly [theirs: NatsConnection, ours: NatsConnection]

/** A machine that is busy takes its time to remove files. */
const PATIENT = { timeout: DEADLINE_MS }

const FILES_GONE_MS = 10_000

/** What both answer to one request of the API, without what differs from run to run. */
export async function askTwins(clients: TwinClients, subject: string, request: object | string) {
  const text = typeof request === 'string' ? request : JSON.stringify(request)
  const [theirs, ours] = await Promise.all(
    clients.map(async (client) => {
      const answer = await client.request(`$JS.API.${subject}`, text, PATIENT)
      return normalized(answer.json())
    }),
  )
  return { theirs, ours }
}

/**
 * Removes all streams of both. nats-server answers before its files are gone, and when a stream of the
 * same name comes meanwhile it is refused, or finds the old one's state: so this waits for the files too.
 */
export async function clearStreams(clients: TwinClients): Promise<void> {
  for (const client of clients) {
    const answer = await client.request('$JS.API.STREAM.NAMES', '', PATIENT)
    const { streams } = answer.json() as { streams: string[] | null }
    for (const name of streams ?? []) {
      await client.request(`$JS.API.STREAM.DELETE.${name}`, '', PATIENT)
    }
  }
  const folders = FOLDERS.get(clients[0]) ?? []
  const isGone = (): boolean => folders.every((folder) => !readdirSync(folder).some(isGoing))
  try {
    await eventually(isGone, 'the files of the streams of nats-server gone', FILES_GONE_MS)
  } catch {
    // It has given up: what it could not rename or remove is nobody's by now.
    for (const folder of folders) {
      const left = readdirSync(folder).filter(isGoing)
      for (const name of left) rmSync(path.join(folder, name), { recursive: true, force: true })
    }
  }
}

/** By client, so that whoever clears needs no more than what he asks with. */
const FOLDERS = new WeakMap<NatsConnection, readonly string[]>()
const KEEPER = 'keeper'

/** The longest names stay: nats-server cannot put a dot before them, which it does before it removes. */
const isGoing = (name: string): boolean => name !== KEEPER && name.length < 255

/** An account's folder of streams; with a file in it, nats-server does not remove it behind the last stream. */
function keptFolder(peer: NatsServerPeer, account: string): string {
  const folder = path.join(peer.directory, 'js', 'jetstream', account, 'streams')
  mkdirSync(folder, { recursive: true })
  writeFileSync(path.join(folder, KEEPER), '')
  return folder
}

/** Times and versions differ, and the figures that depend on when somebody asks. */
const VARYING = new Set([
  'created',
  'ts',
  '_nats.ver',
  '_nats.level',
  'level',
  'active',
  'lag',
  'last_ts',
])
/** Where a consumer stands has tests of its own. */
const POSITIONS = new Set(['delivered', 'ack_floor', 'num_pending'])
/** One time may be told in several zones. */
const TIMES = new Set(['opt_start_time', 'pause_until'])

/** nats-server tells of a mirror's filters only once it has asked its origin for messages. */
function withoutFilters(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('active' in value)) return value
  return { ...value, filter_subject: undefined, subject_transforms: undefined }
}

/** What nats-server tells of sources, which are those with `active`, comes in any order. */
function inOneOrder(list: readonly unknown[]): unknown[] {
  const all = list.map(normalized)
  const isSources =
    JSON.stringify(list).startsWith('[{') && JSON.stringify(list[0]).includes('"active"')
  if (!isSources) return all
  const text = (value: unknown): string =>
    JSON.stringify(value, Object.keys(value as object).sort())
  return all.sort((a, b) => (text(a) < text(b) ? -1 : 1))
}

export function normalized(value: unknown): unknown {
  if (Array.isArray(value)) return inOneOrder(value)
  // Go's longest duration is no double: ours is the greatest that a Go client still reads.
  if (typeof value === 'number' && value >= DURATION_NS_MAX) return DURATION_NS_MAX
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([key]) => !VARYING.has(key) && !POSITIONS.has(key))
  return Object.fromEntries(
    entries.map(([key, item]) => [
      key,
      TIMES.has(key)
        ? new Date(String(item)).toISOString()
        : normalized(key === 'mirror' ? withoutFilters(item) : item),
    ]),
  )
}
