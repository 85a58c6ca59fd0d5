import assert from 'node:assert/strict'
import { NO_BYTES } from '../../../../shared/stream/headers.ts'
import { RESTORES_MAX } from '../../../../shared/stream/limits.ts'
import type { PortMessage } from '../../../../shared/stream/port.ts'
import type { MemoryPort } from '../../../support/memory-port.ts'
import { StreamWorld } from '../../../support/stream-world.ts'

const CHUNK = 1024

describe('SnapshotDesk', () => {
  let world: StreamWorld

  beforeEach(async () => {
    world = await StreamWorld.start()
    await world.engine.ensure({ name: 'S', subjects: ['s.*'] })
    for (let i = 0; i < 20; i++) await world.port.send(`s.${i}`, `${i}`.padEnd(500))
  })

  it('sends no more than its window unanswered, and goes on when it is answered', async () => {
    const { pieces } = await begin({ chunk_size: CHUNK, window_size: 3 * CHUNK })
    await world.pass(10)
    assert.deepEqual(pieces.map(lengthOf), [CHUNK, CHUNK, CHUNK])
    answer(pieces[0])
    await world.pass(10)
    assert.equal(pieces.length, 4)
    // Answers to one piece are one answer's worth of room: the window does not grow by them.
    for (let i = 0; i < 50; i++) answer(pieces[1])
    await world.pass(10)
    assert.ok(pieces.length <= 4 + 3 + 1, `${pieces.length}`)
    for (let i = 0; i < 20; i++) {
      answer(pieces.at(-1))
      await world.pass(10)
    }
    assert.match(statusOf(pieces), /^NATS\/1.0 204/)
  })

  it('gives up on who does not answer', async () => {
    const { pieces } = await begin({ chunk_size: CHUNK, window_size: CHUNK })
    await world.pass(4_900)
    assert.equal(pieces.length, 1)
    await world.pass(200)
    assert.equal(pieces.length, 2)
    assert.match(statusOf(pieces), /^NATS\/1.0 408 No Flow Response\r\n/)
    answer(pieces[0])
    await world.pass(100)
    assert.equal(pieces.length, 2)
  })

  it('gives up on who has gone', async () => {
    const { pieces } = await begin({ chunk_size: CHUNK, window_size: CHUNK })
    await world.pass(10)
    world.port.setInterest('backup', false)
    await world.pass(10)
    assert.match(statusOf(pieces), /^NATS\/1.0 408 No Interest\r\n/)
  })

  it('waits for somebody to listen, and not for long', async () => {
    world.port.setInterest('backup', false)
    const { pieces } = await begin({ chunk_size: CHUNK })
    await world.pass(1_900)
    assert.equal(pieces.length, 0)
    world.port.setInterest('backup', true)
    await world.pass(10)
    assert.ok(pieces.length > 5)
  })

  it('leaves nothing of a restore that stops in the middle', async () => {
    const bytes = await wholeBackup()
    const subject = await beginRestore()
    await upload(subject, bytes.subarray(0, 4_000))
    await world.pass(4_900)
    assert.ok(world.store.streams.has('A/S'))
    await upload(subject, bytes.subarray(4_000, 5_000))
    await world.pass(4_900)
    assert.ok(world.store.streams.has('A/S'), 'each piece gives it time')
    await world.pass(200)
    assert.equal(world.store.streams.has('A/S'), false)
    const { error } = await world.port.api('STREAM.INFO.S')
    assert.equal(error?.err_code, 10059)
    assert.equal((await world.port.api('STREAM.CREATE.S', { name: 'S' })).error, undefined)
  })

  it('leaves nothing of a restore in the middle of which the process ends', async () => {
    const bytes = await wholeBackup()
    const subject = await beginRestore()
    await upload(subject, bytes.subarray(0, 6_000))
    assert.ok(world.store.streams.has('A/S'))
    await world.crash()
    assert.equal(world.store.streams.has('A/S'), false)
    assert.equal(world.engine.stream('S'), undefined)
  })

  it('is as it was after a restore and a crash', async () => {
    const bytes = await wholeBackup()
    const subject = await beginRestore()
    for (let at = 0; at < bytes.length; at += 3_000) {
      assert.equal(await upload(subject, bytes.subarray(at, at + 3_000)), '')
    }
    assert.match(await upload(subject, NO_BYTES), /"messages":20/)
    await world.crash()
    const stream = world.engine.stream('S')
    assert.equal(stream?.store.state.messages, 20)
    assert.equal((await stream?.store.get(7))?.subject, 's.6')
    await world.port.send('s.1', 'x')
    assert.equal(stream?.store.state.lastSeq, 21)
  })

  it('takes nothing behind its end for a part of a restore', async () => {
    const bytes = await wholeBackup()
    const subject = await beginRestore()
    await upload(subject, bytes)
    world.store.isAuto = false
    const ended = upload(subject, NO_BYTES)
    world.port.publish(subject, '', NO_BYTES, Buffer.from('x'))
    for (let i = 0; i < 10; i++) {
      world.store.commit()
      await world.pass(1)
      world.port.publish(subject, '', NO_BYTES, Buffer.from('x'))
    }
    assert.match(await ended, /"messages":20/)
    assert.equal(world.store.streams.get('A/S'), world.engine.stream('S')?.store)
  })

  for (let commits = 0; commits < 5; commits++) {
    it(`shows no stream that an end after ${commits} commits took away`, async () => {
      const bytes = await wholeBackup()
      const subject = await beginRestore()
      await upload(subject, bytes)
      world.store.isAuto = false
      world.port.publish(subject, 'answers', NO_BYTES, NO_BYTES)
      for (let i = 0; i < commits; i++) {
        world.store.commit()
        await world.pass(1)
      }
      const isThere = world.engine.stream('S') !== undefined
      await world.engine.destroy()
      world.store.isAuto = true
      world.store.commit()
      await world.pass(100)
      assert.equal(world.store.streams.has('A/S'), isThere)
      assert.equal(world.engine.stream('S') !== undefined, isThere)
    })
  }

  it('holds no more of a restore than it says', async () => {
    await world.engine.remove('S')
    const subject = await beginRestore()
    world.port.publish(subject, 'answers', NO_BYTES, Buffer.alloc(65 * 1024 * 1024))
    const { payload } = await world.port.next('answers')
    assert.match(payload, /"err_code":10062.*without waiting/)
  })

  it('takes so many backups in at a time', async () => {
    const ask = (i: number): Promise<{ error?: { err_code: number } }> =>
      world.port.api(`STREAM.RESTORE.T${i}`, { config: { name: `T${i}`, subjects: [`t.${i}`] } })
    for (let i = 0; i < RESTORES_MAX; i++) assert.equal((await ask(i)).error, undefined)
    assert.equal((await ask(99)).error?.err_code, 10167)
    await world.pass(6_000)
    assert.equal((await ask(99)).error, undefined)
  })

  async function begin(options: object): Promise<{ pieces: PortMessage[] }> {
    const pieces: PortMessage[] = []
    world.port.subscribe('backup', (piece) => void pieces.push(piece))
    const asked = { deliver_subject: 'backup', ...options }
    const { error } = await world.port.api('STREAM.SNAPSHOT.S', asked)
    assert.equal(error, undefined)
    return { pieces }
  }

  /** What a backup of S holds; S itself is gone then. */
  async function wholeBackup(): Promise<Buffer> {
    const { pieces } = await begin({})
    await world.pass(100)
    await world.engine.remove('S')
    return Buffer.concat(pieces.map(({ payload }) => payload))
  }

  async function beginRestore(): Promise<string> {
    const request = { config: { name: 'S', subjects: ['s.*'] }, state: {} }
    const { deliver_subject } = await world.port.api<{ deliver_subject: string }>(
      'STREAM.RESTORE.S',
      request,
    )
    return deliver_subject
  }

  /** Resolves with the answer. */
  async function upload(subject: string, bytes: Uint8Array): Promise<string> {
    const reply = world.port.newInbox()
    const answered = world.port.next(reply)
    world.port.publish(subject, reply, NO_BYTES, bytes)
    return (await answered).payload
  }

  function answer(piece: PortMessage | undefined): void {
    publishTo(world.port, piece?.reply ?? '')
  }
})

function publishTo(port: MemoryPort, subject: string): void {
  port.publish(subject, '', NO_BYTES, NO_BYTES)
}

function lengthOf({ payload }: PortMessage): number {
  return payload.length
}

function statusOf(pieces: readonly PortMessage[]): string {
  return Buffer.from(pieces.at(-1)?.headers ?? NO_BYTES).toString()
}
