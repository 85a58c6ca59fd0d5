import { readFileSync } from 'node:fs'
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import type { Doors } from './doors.ts'
import type { MatrixServer } from './matrix-server.ts'

/** What a device comes over. WebSocket is that of the NATS clients, at its path for MQTT. */
export type Way = 'mqtt' | 'mqtts' | 'ws' | 'wss'

export const WAYS: Readonly<Record<'open' | 'secure' | 'mutual', readonly Way[]>> = {
  open: ['mqtt', 'ws'],
  secure: ['mqtts', 'wss'],
  mutual: ['mqtts', 'wss'],
}

export interface DeviceLogin {
  readonly username?: string
  readonly password?: string
}

let devices = 0

export function connectDevice(
  doors: Doors,
  server: MatrixServer,
  way: Way,
  { username, password }: DeviceLogin = {},
): Promise<MqttClient> {
  const isWebSocket = way === 'ws' || way === 'wss'
  const port = server.port(isWebSocket ? 'websocket' : 'mqtt')
  const options: IClientOptions = {
    clientId: `device-${++devices}`,
    protocolVersion: 4,
    reconnectPeriod: 0,
    connectTimeout: 10_000,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  }
  const isSecure = way === 'mqtts' || way === 'wss'
  const tls = {
    ca: readFileSync(doors.authority.ca_file),
    cert: readFileSync(doors.client.cert_file),
    key: readFileSync(doors.client.key_file),
  }
  return connectAsync(
    `${way}://127.0.0.1:${port}${isWebSocket ? '/mqtt' : ''}`,
    !isSecure ? options : isWebSocket ? { ...options, wsOptions: tls } : { ...options, ...tls },
    false,
  )
}

/** `in`, or the return code of CONNACK, or that there was no handshake. */
export async function deviceOutcome(connecting: Promise<MqttClient>): Promise<string> {
  try {
    const device = await connecting
    await deviceTalk(device)
    await device.endAsync()
    return 'in'
  } catch (error) {
    const { code, message } = error as { code?: number | string; message: string }
    return typeof code === 'number' ? `refused ${code}` : message
  }
}

async function deviceTalk(device: MqttClient): Promise<void> {
  const topic = `talk/${device.options.clientId}`
  const heard = new Promise<string>((resolve) => {
    device.on('message', (_topic, payload) => resolve(payload.toString()))
  })
  await device.subscribeAsync(topic, { qos: 1 })
  await device.publishAsync(topic, 'hello', { qos: 1 })
  if ((await heard) !== 'hello') throw new Error('heard something else')
}
