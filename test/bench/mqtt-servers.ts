import { rmSync, writeFileSync } from 'node:fs'
import * as path from 'node:path'
import { untilAnswering } from '../support/answering-port.ts'
import { freePorts } from '../support/free-ports.ts'
import { PetioleProcess } from '../support/petiole-process.ts'
import { HOST } from './core-servers.ts'
import { READY_DEADLINE_MS } from './deadline.ts'
import { PeerProcess } from './peer-process.ts'
import { benchFolder } from './results.ts'

/** A broker under measurement, with sessions and retained messages on its disk as it keeps them by default. */
export interface MqttServer {
  readonly host: string
  /** Of its MQTT listener. */
  readonly port: number
  readonly pid: number
  stop(): Promise<void>
}

export type MqttServerName = 'ours' | 'mosquitto' | 'nats'

export async function startMqtt(name: MqttServerName, binary: string): Promise<MqttServer> {
  const folder = benchFolder()
  const [port = 0, natsPort = 0] = await freePorts(2)
  const file = path.join(folder, 'server.conf')
  writeFileSync(file, configuration(name, folder, port, natsPort))
  const running = name === 'ours' ? await ours(file) : theirs(binary, file)
  await untilAnswering({ port, name, deadlineMs: READY_DEADLINE_MS })
  return {
    host: HOST,
    port,
    pid: running.pid,
    stop: async () => {
      await running.end()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

interface Running {
  readonly pid: number
  end(): Promise<void>
}

async function ours(file: string): Promise<Running> {
  const hub = new PetioleProcess('hub', ['hub', '-c', file])
  await hub.start()
  return { pid: hub.pid, end: () => hub.kill() }
}

function theirs(binary: string, file: string): Running {
  const peer = new PeerProcess(binary, ['-c', file])
  return { pid: peer.pid, end: () => peer.end('SIGKILL') }
}

/** Limits that would throttle a client are out of the way at all of them. */
function configuration(name: MqttServerName, folder: string, port: number, nats: number): string {
  if (name === 'mosquitto') {
    return [
      `listener ${port} ${HOST}`,
      'allow_anonymous true',
      'persistence true',
      `persistence_location ${folder}/`,
      'max_inflight_messages 0',
      'max_queued_messages 0',
      'set_tcp_nodelay true',
      'log_type none',
      '',
    ].join('\n')
  }
  return [
    'server_name: bench-mqtt',
    `host: "${HOST}"`,
    `port: ${nats}`,
    'max_connections: 20000',
    `jetstream { store_dir: "${path.join(folder, 'store')}" }`,
    `mqtt { host: "${HOST}", port: ${port}, max_ack_pending: 10000 }`,
    '',
  ].join('\n')
}
