import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { arenaBytes, READ_START } from '../../../shared/transport/arena.ts'
import { canWriteDirectly, writeDirectly } from '../../../shared/transport/direct-write.ts'
import { canShareReads, moveToSharedRead } from '../../../shared/transport/shared-read.ts'

/** Both roads rest on what Node does not document: this says so when a new version changes it. */
describe('fast roads', () => {
  let server: Server
  let client: Socket
  let accepted: Socket

  beforeEach(async () => {
    server = createServer({ pauseOnConnect: true, allowHalfOpen: true })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const accepting = once(server, 'connection')
    client = connect((server.address() as AddressInfo).port, '127.0.0.1')
    accepted = (await accepting)[0]
  })

  afterEach(async () => {
    client.destroy()
    accepted.destroy()
    server.close()
    await once(server, 'close')
  })

  const direct = canWriteDirectly ? it : it.skip
  const shared = canShareReads ? it : it.skip

  direct('writes from the arena to the kernel at once, past the socket', async () => {
    arenaBytes.write('straight', READ_START)
    assert.equal(writeDirectly(accepted, READ_START, READ_START + 8), 8)
    assert.equal(accepted.bytesWritten, 0)
    const [bytes] = await once(client, 'data')
    assert.equal(String(bytes), 'straight')
  })

  direct('takes a part, then nothing, when the kernel is full', () => {
    const size = 256 * 1024
    let total = 0
    for (;;) {
      const written = writeDirectly(accepted, READ_START, READ_START + size)
      total += written
      if (written < size) break
      assert.ok(total < 1_000_000_000)
    }
    assert.equal(writeDirectly(accepted, READ_START, READ_START + size), 0)
  })

  direct('writes nothing while the socket has bytes of its own, is ended, or is gone', async () => {
    accepted.write(new Uint8Array(50_000_000))
    assert.ok(accepted.writableLength > 0)
    assert.equal(writeDirectly(accepted, READ_START, READ_START + 1), 0)
    accepted.destroy()
    assert.equal(writeDirectly(accepted, READ_START, READ_START + 1), 0)
    client.on('error', () => {})
    await once(client.resume(), 'close')
    assert.equal(writeDirectly(client, READ_START, READ_START + 1), 0)
  })

  shared('moves an accepted connection into a socket that reads into the arena', async () => {
    const moved = moveToSharedRead(accepted)
    assert.ok(moved, 'the handle could be moved')
    assert.notEqual(moved, accepted)
    assert.equal(accepted.destroyed, true)
    const reading = new Promise<number>((resolve) => {
      moved.reader = { received: resolve }
    })
    moved.isHeld = false
    moved.resume()
    client.write('into the arena')
    const size = await reading
    assert.equal(arenaBytes.toString('latin1', READ_START, READ_START + size), 'into the arena')
    client.end()
    await once(moved, 'end')
    moved.end()
    await once(moved, 'close')
  })

  shared('leaves a socket alone that it cannot move', async () => {
    accepted.resume()
    await new Promise((resolve) => setImmediate(resolve))
    assert.ok(moveToSharedRead(accepted) === undefined, 'it reads already')
    assert.equal(accepted.destroyed, false)
    accepted.destroy()
    assert.ok(moveToSharedRead(accepted) === undefined, 'it is gone')
  })
})
