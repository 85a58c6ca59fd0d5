import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { HttpCrowd } from '../../../shared/transport/http-crowd.ts'

const UNREAD = Buffer.alloc(8 * 1024 * 1024)

describe('crowd at an HTTP port', () => {
  let server: Server
  let sockets: Socket[]
  /** Answers that are kept waiting, by path. */
  let held: Map<string, () => void>

  const open = async (request = ''): Promise<Socket> => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    sockets.push(socket)
    socket.on('error', () => {})
    await once(socket, 'connect')
    if (request !== '') socket.write(`GET ${request} HTTP/1.1\r\nhost: x\r\n\r\n`)
    return socket
  }
  const isServed = async (): Promise<boolean> => {
    const socket = await open('/healthz')
    const [chunk] = await Promise.race([once(socket, 'data'), once(socket, 'close')])
    return Buffer.isBuffer(chunk)
  }

  beforeEach(async () => {
    sockets = []
    held = new Map()
    const crowd = new HttpCrowd({ connectionsMax: 4, unreadBytesMax: 20 * 1024 * 1024 })
    server = createServer((message, response: ServerResponse) => {
      const ended = crowd.began(message)
      const answer = (body: Buffer | string): void => {
        crowd.answers(response, body.length)
        response.end(body)
        ended()
      }
      if (message.url === '/healthz') answer('ok')
      else if (message.url === '/much') answer(UNREAD)
      else held.set(message.url ?? '', () => answer('at last'))
    })
    crowd.watch(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  afterEach(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })

  it('makes room for who asks by sending away who has been mute the longest', async () => {
    const mute = [await open(), await open(), await open(), await open()]
    const first = once(mute[0] as Socket, 'close')
    assert.equal(await isServed(), true)
    await first
    assert.equal(mute[1]?.destroyed, false)
  })

  it('keeps who is being answered, and refuses others when all are', async () => {
    const asking: Socket[] = []
    for (const name of ['/1', '/2', '/3', '/4']) asking.push(await open(name))
    while (held.size < 4) await new Promise(setImmediate)
    assert.equal(await isServed(), false)
    const answered = once(asking[0] as Socket, 'data')
    held.get('/1')?.()
    assert.match(String((await answered)[0]), /at last/)
    assert.equal(await isServed(), true)
  })

  it('sends away who does not read, the first one first, and nobody else', async () => {
    const readers: Socket[] = []
    for (let i = 0; i < 2; i++) {
      const reader = await open('/much')
      reader.pause()
      readers.push(reader)
    }
    const mute = await open()
    const third = await open('/much')
    third.pause()
    // It is sent away in the middle of its answer: reading on comes to an end before all is there.
    let size = 0
    readers[0]?.on('data', (chunk: Buffer) => (size += chunk.length))
    const closed = once(readers[0] as Socket, 'close')
    readers[0]?.resume()
    await closed
    assert.ok(size < UNREAD.length, `${size} bytes`)
    assert.equal(mute.destroyed, false)
    let rest = 0
    const whole = new Promise<void>((resolve) => {
      third.on('data', (chunk: Buffer) => {
        rest += chunk.length
        if (rest > UNREAD.length) resolve()
      })
    })
    third.resume()
    await whole
  })
})
