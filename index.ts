/**
 * The library's door: `startHub` and `startLeaf` take a configuration file's blocks as an object, with the
 * same schema and the same errors, and return a handle with an in-process client.
 */
import { createRequire } from 'node:module'
import type { NatsClient } from './shared/client/index.ts'
import {
  type ConfigInput,
  type CoreConfig,
  type HubConfig,
  type LeafConfig,
  parseConfig,
} from './shared/config/index.ts'
import { type Log, silentLog } from './shared/log/index.ts'
import {
  type FrontDoor,
  leaveAsLameDuck,
  type Machine,
  type ServerCore,
  type ServerPorts,
  systemMachine,
} from './shared/server/index.ts'

export type { ClientMessage, NatsClient } from './shared/client/index.ts'
export { ConfigError, type ConfigInput } from './shared/config/index.ts'
export type { Log } from './shared/log/index.ts'
export { PetioleError } from './shared/runtime/index.ts'
export type { FrontDoor, Machine, ServerPorts } from './shared/server/index.ts'

export interface StartOptions {
  /** Default: says nothing. */
  readonly log?: Log
  /** Default: the machine that the process runs on. */
  readonly machine?: Machine
  /** Reads the configuration anew and calls `reload`: what an operator may ask for over NATS. */
  readonly reload?: () => Promise<void>
  /** Called when it is known who the server is, before it opens its store. */
  readonly onIdentity?: (server: { readonly id: string; readonly name: string }) => void
}

/** A running hub or leaf. */
export interface Running {
  readonly name: string
  /** The nkey that the server is known by; kept in its store directory. */
  readonly id: string
  /** The ports that were taken, also where the configuration left the choice open. */
  readonly ports: ServerPorts
  /** A client of an account in this process, without a socket; closed with the server. */
  client(account?: string): NatsClient
  /**
   * Goes on with another configuration: accounts, users, certificates, limits. Rejects with what is wrong
   * with it and then changes nothing. What needs a restart (ports, stores, buffers) stays as it was.
   */
  reload(config: HubConfig | LeafConfig): Promise<void>
  /** Tells clients to go elsewhere, closes them over `lame_duck_duration`, then stops. */
  lameDuck(): Promise<void>
  /** Finishes what is in hand, then stops. Idempotent. */
  drain(): Promise<void>
  /** Stops at once; what was acknowledged stays on disk. Idempotent. */
  destroy(): Promise<void>
}

const { version } = createRequire(import.meta.url)(packageFile()) as { version: string }

/** Rejects with a ConfigError, or with what kept a port or the store from being opened. */
export function startHub(config: ConfigInput, options: StartOptions = {}): Promise<Running> {
  return startRole(parseConfig(config, 'hub'), options)
}

/** Rejects as `startHub`. Resolves whether or not a hub is in sight. */
export function startLeaf(config: ConfigInput, options: StartOptions = {}): Promise<Running> {
  return startRole(parseConfig(config, 'leaf'), options)
}

/** Starts a role from a configuration that was read and checked already. */
export async function startRole(
  config: HubConfig | LeafConfig,
  { log = silentLog, machine = systemMachine(log), ...hooks }: StartOptions = {},
): Promise<Running> {
  const frontDoors = await mqttFrontDoors(config)
  const options = { machine, log, version, frontDoors, ...hooks }
  const running =
    config.role === 'hub'
      ? await (await import('./hub/index.ts')).Hub.start({ ...options, config })
      : await (await import('./leaf/index.ts')).Leaf.start({ ...options, config })
  log.info({}, 'Server is ready')
  return handleOf(running)
}

/** Loaded when there is one, like the roles: a process needs half of them at most. */
async function mqttFrontDoors({ mqtt, mqtt_remotes }: CoreConfig): Promise<FrontDoor[]> {
  if (mqtt === undefined && mqtt_remotes.length === 0) return []
  const { MqttFrontDoor, MqttRemotes } = await import('./bridge-mqtt/index.ts')
  // A reload may bring remotes, but no listener.
  const remotes = new MqttRemotes(mqtt_remotes)
  return mqtt === undefined ? [remotes] : [new MqttFrontDoor(mqtt), remotes]
}

interface Role {
  readonly core: ServerCore
  readonly ports: ServerPorts | undefined
  reload(config: HubConfig | LeafConfig): Promise<void>
  drain(): Promise<void>
  destroy(): Promise<void>
}

function handleOf(role: Role): Running {
  const { core } = role
  return {
    name: core.serverName,
    id: core.identity.id,
    ports: role.ports ?? { client: { host: '', port: 0 }, ...NO_PORTS },
    client: (account = '$G') => core.client(account),
    reload: (config) => role.reload(config),
    lameDuck: async () => {
      await leaveAsLameDuck(core)
      await role.drain()
    },
    drain: () => role.drain(),
    destroy: () => role.destroy(),
  }
}

const NO_PORTS = {
  frontDoors: {},
  webSocket: undefined,
  leafNodes: undefined,
  http: undefined,
  https: undefined,
}

/** Beside the sources, and one folder above what is built from them. */
function packageFile(): string {
  return import.meta.url.endsWith('.ts') ? './package.json' : '../package.json'
}
