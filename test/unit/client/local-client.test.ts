import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { AccountSpace } from '../../../shared/broker/index.ts'
import { LocalClient } from '../../../shared/client/index.ts'
import { SeededRandom, SystemClock, SystemRandom } from '../../../shared/runtime/index.ts'
import { encodeHeaders } from '../../../shared/wire/index.ts'

const bytes = (text: string): Buffer => Buffer.from(text)
const text = (payload: Uint8Array): string => Buffer.from(payload).toString()

describe('local client', () => {
  let space: AccountSpace
  let one: LocalClient
  let two: LocalClient

  beforeEach(() => {
    space = new AccountSpace(new SeededRandom(1), '$G')
    one = new LocalClient(space, 1, new SystemClock(), new SystemRandom())
    two = new LocalClient(space, 2, new SystemClock(), new SystemRandom())
  })

  afterEach(() => {
    one.destroy()
    two.destroy()
  })

  it('has an inbox that no other process has, also with the same peer id', async () => {
    const other = new LocalClient(space, 1, new SystemClock(), new SystemRandom())
    const inboxes: string[] = []
    two.subscribe('ask', ({ reply }) => inboxes.push(reply.slice(0, reply.lastIndexOf('.'))))
    for (const client of [one, other]) {
      const choices = { deadlineMs: 50 }
      await client.request('ask', bytes(''), choices).catch(() => {})
    }
    assert.equal(new Set(inboxes).size, 2, inboxes.join(' '))
    other.destroy()
  })

  it('hands out messages that may be kept, after the router is done', async () => {
    const heard: string[] = []
    two.subscribe('a.*', ({ subject, payload, origin }) => {
      heard.push(`${subject} ${text(payload)} ${origin?.id}`)
    })
    const payload = bytes('x')
    assert.equal(one.publish('a.b', payload), 1)
    payload[0] = 121
    assert.deepEqual(heard, [], 'not inside the publication')
    await Promise.resolve()
    assert.deepEqual(heard, ['a.b x 1'])
  })

  it('asks and is answered, many at a time', async () => {
    two.subscribe('double', ({ payload, reply }) => {
      two.publish(reply, bytes(`${2 * Number(text(payload))}`))
    })
    const answers = await Promise.all(
      [1, 2, 3].map((n) => one.request('double', bytes(`${n}`), { deadlineMs: 1_000 })),
    )
    assert.deepEqual(
      answers.map(({ payload }) => text(payload)),
      ['2', '4', '6'],
    )
  })

  it('is told at once when nobody is there, here or behind a link', async () => {
    const code = 'PETIOLE_NO_RESPONDERS'
    await assert.rejects(one.request('nobody', bytes(''), { deadlineMs: 60_000 }), { code })
    two.subscribe('far', ({ reply }) => {
      two.publish(reply, bytes(''), { headers: encodeHeaders([], { code: 503 }) })
    })
    await assert.rejects(one.request('far', bytes(''), { deadlineMs: 60_000 }), { code })
  })

  it('gives up at the deadline, when told to, and when it ends', async () => {
    two.subscribe('silent', () => {})
    await assert.rejects(one.request('silent', bytes(''), { deadlineMs: 5 }), {
      code: 'PETIOLE_REQUEST_TIMEOUT',
    })
    const abort = new AbortController()
    const choices = { deadlineMs: 60_000, signal: abort.signal }
    const aborted = one.request('silent', bytes(''), choices)
    abort.abort()
    await assert.rejects(aborted, { code: 'PETIOLE_REQUEST_ABORTED' })
    await assert.rejects(one.request('silent', bytes(''), choices), {
      code: 'PETIOLE_REQUEST_ABORTED',
    })
    const ended = one.request('silent', bytes(''), { deadlineMs: 60_000 })
    one.destroy()
    await assert.rejects(ended, { code: 'PETIOLE_CLIENT_CLOSED' })
    await assert.rejects(one.request('silent', bytes(''), { deadlineMs: 1 }), {
      code: 'PETIOLE_CLIENT_CLOSED',
    })
  })

  it('listens once to a signal that gives up many requests, and not for longer than they wait', async () => {
    const replies: string[] = []
    two.subscribe('ask', ({ reply }) => replies.push(reply))
    const abort = new AbortController()
    const listeners = (): number => getEventListeners(abort.signal, 'abort').length
    const choices = { deadlineMs: 60_000, signal: abort.signal }
    const ask = (): Promise<unknown> => one.request('ask', bytes(''), choices)
    const answered = Array.from({ length: 20 }, ask)
    assert.equal(listeners(), 1)
    await new Promise(setImmediate)
    for (const reply of replies) two.publish(reply, bytes('yes'))
    await Promise.all(answered)
    assert.equal(listeners(), 0)
    const given = Promise.allSettled(Array.from({ length: 20 }, ask))
    assert.equal(listeners(), 1)
    abort.abort()
    const reasons = (await given).map((it) =>
      it.status === 'rejected' ? it.reason.code : it.status,
    )
    assert.deepEqual(reasons, Array(20).fill('PETIOLE_REQUEST_ABORTED'))
  })

  it('finishes on drain what it has begun, and leaves nothing behind', async () => {
    const heard: string[] = []
    two.subscribe('late', ({ payload, reply }) => {
      heard.push(text(payload))
      if (reply !== '') queueMicrotask(() => two.publish(reply, bytes('done')))
    })
    one.publish('late', bytes('1'))
    const answer = one.request('late', bytes('2'), { deadlineMs: 1_000 })
    await Promise.all([two.drain(), one.drain()])
    assert.equal(text((await answer).payload), 'done')
    assert.deepEqual(heard, ['1', '2'])
    assert.equal(space.subscriptionCount, 0)
    await one.drain()
  })

  it('sees interest come and go, but not its own', async () => {
    const seen: boolean[] = []
    one.onInterest('svc.x', () => seen.push(one.hasInterest('svc.x')))
    one.subscribe('svc.*', () => {})
    const stop = two.subscribe('svc.>', () => {})
    await Promise.resolve()
    stop()
    two.subscribe('other', () => {})
    await Promise.resolve()
    assert.deepEqual(seen, [true, false])
  })

  it('drops what its handlers do not keep up with, and counts it', () => {
    two.subscribe('big', () => {})
    const payload = Buffer.alloc(8 * 1024 * 1024)
    for (let i = 0; i < 10; i++) one.publish('big', payload)
    assert.equal(two.dropped, 2)
  })
})
