import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect as connectSocket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { errors, type NatsConnection } from '@nats-io/transport-node'
import { connectAsync, type MqttClient } from 'mqtt'
import { WebSocket as NodeWebSocket } from 'ws'
import type { ConfigInput, Running } from '../../index.ts'
import { parseConfig } from '../../shared/config/index.ts'
import type { CertificateAuthority, CertificateFiles } from '../support/certificates.ts'
import { connect as connectNats, wsconnect } from '../support/patience.ts'

/**
 * One cycle of a server with accounts: users of two of them share streams and services over TLS and
 * WebSocket, devices come and go, some try what they may not, and the configuration changes under all of them.
 */
export interface AccountChurnOptions {
  readonly hub: Running
  readonly authority: CertificateAuthority
  readonly certificate: CertificateFiles
  readonly random: () => number
  readonly rounds: number
}

export interface AccountCounts {
  imported: number
  answered: number
  forbidden: number
  devices: number
  lost: number
  reloads: number
}

/** @param isFull whether `eve` is a user and the plant shares all that it has */
export function accountConfig(certificate: CertificateFiles, isFull = true): ConfigInput {
  const certificates = { cert_file: certificate.cert_file, key_file: certificate.key_file }
  const user = (name: string, permissions?: object): object => ({
    user: name,
    password: name,
    ...(permissions === undefined ? {} : { permissions }),
  })
  const shared = [{ stream: 'state.>' }, { service: 'ask.*' }]
  const wanted = [
    { stream: { account: 'PLANT', subject: 'state.>' }, prefix: 'plant' },
    { service: { account: 'PLANT', subject: 'ask.*' }, to: 'plant.ask.*' },
  ]
  const bounded = { publish: ['open.>', 'state.>'], subscribe: { allow: ['open.>', '_INBOX.>'] } }
  return {
    host: '127.0.0.1',
    port: -1,
    http_port: -1,
    jetstream: false,
    max_closed_clients: 100,
    // Above what the test waits for: what a timeout takes away counts as left behind.
    tls: { ...certificates, timeout: 60 },
    websocket: { host: '127.0.0.1', port: -1, compression: true, tls: certificates },
    mqtt: { host: '127.0.0.1', port: -1, tls: certificates },
    accounts: {
      PLANT: {
        users: [user('plant'), user('bounded', bounded), ...(isFull ? [user('eve')] : [])],
        exports: isFull ? shared : shared.slice(0, 1),
      },
      OFFICE: { users: [user('office')], imports: isFull ? wanted : wanted.slice(0, 1) },
    },
  } as ConfigInput
}

export async function accountChurn(options: AccountChurnOptions): Promise<AccountCounts> {
  const cycle = new Cycle(options)
  await cycle.open()
  try {
    for (let round = 0; round < options.rounds; round++) await cycle.round()
  } finally {
    await cycle.close()
  }
  return cycle.counts
}

class Cycle {
  readonly counts: AccountCounts = {
    imported: 0,
    answered: 0,
    forbidden: 0,
    devices: 0,
    lost: 0,
    reloads: 0,
  }
  readonly #options: AccountChurnOptions
  readonly #ca: string
  readonly #clients: NatsConnection[] = []
  #plant!: NatsConnection
  #office!: NatsConnection
  #subjects = 0

  constructor(options: AccountChurnOptions) {
    this.#options = options
    this.#ca = readFileSync(options.authority.ca_file, 'utf8')
  }

  async open(): Promise<void> {
    this.#plant = await this.#tls('plant')
    this.#office = await this.#wss('office')
    this.#plant.subscribe('ask.*', {
      queue: 'workers',
      callback: (_error, message) => {
        message.respond(message.data)
      },
    })
    await this.#plant.flush()
  }

  async round(): Promise<void> {
    const roll = this.#options.random()
    if (roll < 0.25) await this.#share()
    else if (roll < 0.45) await this.#ask()
    else if (roll < 0.6) await this.#overstep()
    else if (roll < 0.78) await this.#device()
    else if (roll < 0.92) await this.#lose()
    else await this.#reload()
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()))
  }

  async #share(): Promise<void> {
    const subject = `state.${++this.#subjects}`
    const many = 1 + this.#below(40)
    const body = new Uint8Array(Math.floor(this.#options.random() ** 4 * 32_768))
    const subscription = this.#office.subscribe(`plant.${subject}`, { max: many })
    await this.#office.flush()
    for (let i = 0; i < many; i++) this.#plant.publish(subject, body)
    for await (const { data } of subscription) {
      assert.equal(data.length, body.length)
      this.counts.imported++
    }
  }

  async #ask(): Promise<void> {
    const asking = Array.from({ length: 10 }, (_, i) => {
      return this.#office.request(`plant.ask.${i}`, `${i}`)
    })
    for (const [i, answer] of (await Promise.all(asking)).entries()) {
      assert.equal(answer.string(), `${i}`)
      this.counts.answered++
    }
  }

  /** Tries what it may not, and is told so each time. */
  async #overstep(): Promise<void> {
    const client = await this.#tls('bounded')
    const tries = 1 + this.#below(5)
    let told = 0
    const telling = (async () => {
      for await (const status of client.status()) {
        if (status.type !== 'error') continue
        assert.ok(status.error instanceof errors.PermissionViolationError, `${status.error}`)
        if (++told === tries * 2) return
      }
    })()
    for (let i = 0; i < tries; i++) {
      client.publish(`secret.${i}`)
      client.subscribe(`secret.${i}.>`, { callback: () => {} })
    }
    await telling
    this.counts.forbidden += told
    await client.close()
    await assert.rejects(this.#tls('bounded', 'wrong'), errors.AuthorizationError)
  }

  /** A device that hears itself, and leaves with or without a word. */
  async #device(): Promise<void> {
    const name = `device-${this.#below(1e9)}`
    const device = await this.#connectDevice(name)
    const heard = new Promise<string>((resolve) => {
      device.on('message', (_topic, payload) => resolve(payload.toString()))
    })
    await device.subscribeAsync([`state/${name}`, 'state/+/never'], { qos: 1 })
    await device.publishAsync(`state/${name}`, name, { qos: 1 })
    assert.equal(await heard, name)
    if (this.#options.random() < 0.5) await device.endAsync()
    else await device.endAsync(true)
    this.counts.devices++
  }

  #connectDevice(clientId: string): Promise<MqttClient> {
    const { ports } = this.#options.hub
    const overWebSocket = this.#options.random() < 0.5
    const url = overWebSocket
      ? `wss://127.0.0.1:${ports.webSocket?.port}/mqtt`
      : `mqtts://127.0.0.1:${ports.frontDoors['mqtt']}`
    const user = { clientId, username: 'plant', password: 'plant' }
    const tls = overWebSocket ? { wsOptions: { ca: this.#ca } } : { ca: this.#ca }
    return connectAsync(url, { ...user, ...tls, protocolVersion: 4, reconnectPeriod: 0 }, false)
  }

  /** Sockets that end in the middle of something. */
  async #lose(): Promise<void> {
    const { ports } = this.#options.hub
    const roll = this.#below(4)
    if (roll === 0) {
      const url = `wss://127.0.0.1:${ports.webSocket?.port}`
      const socket = new NodeWebSocket(url, { ca: this.#ca, perMessageDeflate: true })
      socket.on('error', () => {})
      await once(socket, 'message')
      const login = '{"user":"office","pass":"office","verbose":false}'
      socket.send(Buffer.from(`CONNECT ${login}\r\nSUB plant.> 1\r\nPUB plant.ask.1 re 0\r\n`))
      socket.terminate()
      await once(socket, 'close')
    } else if (roll === 1) {
      const port = ports.webSocket?.port ?? 0
      const socket = connectTls({ port, host: '127.0.0.1', ca: this.#ca })
      socket.on('error', () => {})
      await once(socket, 'secureConnect')
      socket.end('GET / HTTP/1.1\r\nUpgrade: websocket\r\n')
      socket.resume()
      await once(socket, 'close')
    } else {
      const port = roll === 2 ? ports.client.port : ports.frontDoors['mqtt']
      const socket = connectSocket(port ?? 0, '127.0.0.1')
      socket.on('error', () => {})
      await once(socket, 'connect')
      socket.write(Buffer.from('16030100c8010000c40303', 'hex'))
      socket.destroy()
      await once(socket, 'close')
    }
    this.counts.lost++
  }

  /** A user goes and so does a service, under who uses them; then both come back. */
  async #reload(): Promise<void> {
    const { hub, certificate } = this.#options
    const eve = await this.#wss('eve')
    eve.subscribe('state.>', { callback: () => {} })
    await eve.flush()
    await hub.reload(parseConfig(accountConfig(certificate, false), 'hub'))
    await eve.closed()
    const asking = this.#office.request('plant.ask.1', '')
    await assert.rejects(asking, /no responders/i)
    await assert.rejects(this.#tls('eve'), errors.AuthorizationError)
    await hub.reload(parseConfig(accountConfig(certificate), 'hub'))
    await this.#ask()
    this.counts.reloads++
  }

  async #tls(user: string, pass = user): Promise<NatsConnection> {
    const servers = `127.0.0.1:${this.#options.hub.ports.client.port}`
    return this.#kept(await connectNats({ servers, user, pass, ...STAYS, tls: { ca: this.#ca } }))
  }

  async #wss(user: string): Promise<NatsConnection> {
    const client = await wsconnect({
      servers: `wss://127.0.0.1:${this.#options.hub.ports.webSocket?.port}`,
      user,
      pass: user,
      ...STAYS,
      wsFactory: (url) => {
        const socket = new NodeWebSocket(url, { ca: this.#ca, perMessageDeflate: true })
        return Promise.resolve({ socket: socket as unknown as WebSocket, encrypted: true })
      },
    })
    return this.#kept(client)
  }

  #kept(client: NatsConnection): NatsConnection {
    this.#clients.push(client)
    return client
  }

  #below(limit: number): number {
    return Math.floor(this.#options.random() * limit)
  }
}

const STAYS = { reconnect: false, timeout: 10_000 }
