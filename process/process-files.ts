import { rmSync, writeFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import * as path from 'node:path'
import type { CoreConfig } from '../shared/config/index.ts'
import type { Log } from '../shared/log/index.ts'
import { messageOf, PetioleError } from '../shared/runtime/index.ts'
import type { ServerPorts } from '../shared/server/index.ts'

/** What a running process leaves beside it: its id, and the ports it took. Gone when it ends. */
export class ProcessFiles {
  readonly #program: string
  readonly #log: Log
  #pidFile = ''
  #portsFile = ''

  constructor(program: string, log: Log) {
    this.#program = program
    this.#log = log
    process.on('exit', () => this.remove())
  }

  /**
   * Before anything else is opened: who supervises the process by its id cannot do without, which ends the start
   * in nats-server as well. Throws PETIOLE_PID_FILE; makes no folders.
   */
  claim({ pid_file: file }: Pick<CoreConfig, 'pid_file'>): void {
    if (file === '') return
    try {
      writeFileSync(file, String(process.pid))
      this.#pidFile = file
    } catch (error) {
      const text = `Could not write pidfile: ${messageOf(error)}`
      throw new PetioleError('PETIOLE_PID_FILE', text, { cause: error })
    }
  }

  /** Writes what `config` asks for, and takes away what an earlier one had. */
  write(config: CoreConfig, ports: ServerPorts): void {
    const portsFile =
      config.ports_file_dir === ''
        ? ''
        : path.join(config.ports_file_dir, `${this.#program}_${process.pid}.ports`)
    if (this.#pidFile !== config.pid_file) remove(this.#pidFile)
    if (this.#portsFile !== portsFile) remove(this.#portsFile)
    this.#pidFile = this.#put(config.pid_file, String(process.pid))
    this.#portsFile = this.#put(portsFile, JSON.stringify(portsInfo(config, ports)))
  }

  remove(): void {
    remove(this.#pidFile)
    remove(this.#portsFile)
  }

  /** A server that runs is worth more than a file about it. */
  #put(file: string, text: string): string {
    if (file === '') return ''
    try {
      writeFileSync(file, text)
      return file
    } catch (error) {
      this.#log.error({ file, err: error }, 'could not write a file')
      return ''
    }
  }
}

/** nats-server's `Ports`: lists that would be empty are left out. */
export function portsInfo(config: CoreConfig, ports: ServerPorts): Record<string, string[]> {
  const lists: Readonly<Record<string, readonly string[]>> = {
    nats: urlsOf(config.tls === undefined ? 'nats' : 'tls', ports.client),
    monitoring: [...urlsOf('http', ports.http), ...urlsOf('https', ports.https)],
    cluster: urlsOf('nats', ports.cluster),
    websocket: urlsOf(config.websocket?.tls === undefined ? 'ws' : 'wss', ports.webSocket),
    leafnodes: urlsOf('nats', ports.leafNodes),
  }
  const taken = Object.entries(lists).filter(([, urls]) => urls.length > 0)
  return Object.fromEntries(taken.map(([name, urls]) => [name, [...urls]]))
}

/** A listener on all addresses is named by each of them. */
function urlsOf(
  scheme: string,
  at: { readonly host: string; readonly port: number } | undefined,
): string[] {
  if (at === undefined) return []
  const hosts = at.host === '0.0.0.0' || at.host === '::' ? ownAddresses() : [at.host]
  return hosts.map((host) => `${scheme}://${host.includes(':') ? `[${host}]` : host}:${at.port}`)
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .map(({ address }) => address)
}

function remove(file: string): void {
  if (file !== '') rmSync(file, { force: true })
}
