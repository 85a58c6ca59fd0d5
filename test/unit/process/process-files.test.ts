import assert from 'node:assert/strict'
import { networkInterfaces } from 'node:os'
import { portsInfo } from '../../../process/process-files.ts'
import { parseConfig } from '../../../shared/config/index.ts'

const NOTHING = {
  frontDoors: {},
  webSocket: undefined,
  leafNodes: undefined,
  http: undefined,
  https: undefined,
}
const TLS = { cert_file: 'c', key_file: 'k' }

describe('ports file', () => {
  it('names what is listened on, with the schemes of clients', () => {
    const at = (port: number) => ({ host: '127.0.0.1', port })
    const ports = {
      ...NOTHING,
      client: at(1),
      http: at(2),
      https: at(3),
      webSocket: at(4),
      leafNodes: at(5),
    }
    const plain = parseConfig({ websocket: { port: 4, no_tls: true } }, 'hub')
    assert.deepEqual(portsInfo(plain, ports), {
      nats: ['nats://127.0.0.1:1'],
      monitoring: ['http://127.0.0.1:2', 'https://127.0.0.1:3'],
      websocket: ['ws://127.0.0.1:4'],
      leafnodes: ['nats://127.0.0.1:5'],
    })
    const secure = parseConfig({ tls: TLS, websocket: { port: 4, tls: TLS } }, 'hub')
    assert.deepEqual(portsInfo(secure, ports)['nats'], ['tls://127.0.0.1:1'])
    assert.deepEqual(portsInfo(secure, ports)['websocket'], ['wss://127.0.0.1:4'])
  })

  it('names every address of a listener on all of them, and leaves out what is not there', () => {
    const client = { host: '0.0.0.0', port: 1 }
    const info = portsInfo(parseConfig({}, 'hub'), { ...NOTHING, client })
    assert.deepEqual(Object.keys(info), ['nats'])
    const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
    assert.equal(info['nats']?.length, own.length)
    assert(info['nats']?.includes('nats://127.0.0.1:1'))
    for (const url of info['nats'] ?? []) assert(URL.canParse(url), url)
  })
})
