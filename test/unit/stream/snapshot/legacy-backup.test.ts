import assert from 'node:assert/strict'
import { NO_BYTES } from '../../../../shared/stream/headers.ts'
import { BackupReader } from '../../../../shared/stream/snapshot/backup-reader.ts'
import { HighwayHash } from '../../../../shared/stream/snapshot/highway-hash.ts'
import { S2Reader, s2Begin, s2Frames } from '../../../../shared/stream/snapshot/s2-frames.ts'
import { StreamWorld } from '../../../support/stream-world.ts'

/**
 * Made by nats-server 2.12.4 of a stream with ten messages, the first, fourth and last deleted, and a
 * consumer that had got five of them and acknowledged three.
 */
const BACKUP = Buffer.from(
  [
    '/wYAAFMyc1R3TwBGBwD8kb0UgHxUUGF4SGVhZGVycy4wL21ldGEuaW5mABEBFQA+ADAJAAAACQcEMAAJABUIEDAw',
    'MzYABQAJBCQAMDExNjQ0ACB4EYcVAD5WTQAcdXN0YXIAMDAVAD0RQxUAonQzMCBtdGltZT0xNzk1MjY5NDk1LjAy',
    'NDg3NDQ2MwoVAB0RJRkAsQBx8xUARzITAhAwMDAwNnnwPggAYDA3NzAAMTUzMDAzMjE1NjcAMDEyNDQyACBxlBUA',
    'VZEADG5hdHMVABR+IACFux3dZkoAERoVAH3we3siQ3JlYXRlZCI6IjIwMjYtMTEtMjFUMTM6NTg6MTQuMTQzNjky',
    'NDk3WiIsIm5hbWUiOiJPTEQiLCJzdWJqZWN0cyI6WyJvLioiXSwicmV0ZW50aW9uIjoibGltaXRzIiwibWF4X2Nv',
    'bnN1bWVycyI6LTEsIm1heF9tc2cdDgxieXRlHQ8UYWdlIjowGSkQX3Blcl8NcRkmHG1zZ19zaXplCTjwRWRpc2Nh',
    'cmQiOiJvbGQiLCJzdG9yYWdlIjoiZmlsZSIsIm51bV9yZXBsaWNhcyI6MSwiZHVwbGljYXRlX3dpbmRvdyI6MTIt',
    'x8wwMDAsImNvbXByZXNzaW9uIjoibm9uZSIsImFsbG93X2RpcmVjdCI6dHJ1ZSwibWlycm9yFRUwZmFsc2UsInNl',
    'YWxlZBUPKGRlbnlfZGVsZXRlNhQADHB1cmcZEwlgKHJvbGx1cF9oZHJzFRoxRShfbGltaXRzIjp7fREvGG1zZ190',
    'dGwVK4RtZXRhZGF0YSI6eyJfbmF0cy5yZXEubGV2ZWwiOiIwIn19UYVGAAgIc3VtDRwRBxUAOCVPfRs6EABSAAgA',
    'NxkAaAJx8xUAQjI7BH4ACAQwMhUACgQ1Nu4ACBkAJgA8YjliMjUyZTI4NjY4OGJhMTa6AREMGQDWABBtc2dzLzIF',
    'CBAxLmJsazH5FQA9OvAHQgAMRgAQDDIwMjMZAGMCCHNnc3HzFQBDMj8EegAIDDE0MDQVAAgINjE0GQBiABBEAAAA',
    'ASmuAIAJAOAAAAAAa5fGAlxTjhqq49l7Y9kMtt6+g0DmDR6jlH+T4E6gf98X30OtSQsUXPu8qM1ZbEQAAIACAAAF',
    'APA8yKJt3xcU6hgDAG8uMhYAAABOQVRTLzEuMA0KS2luZDogazINCg0KbWVzc2FnZSAyrjCiIZW2wlZEAACAAw0A',
    'DHSWB+ERRAAwFQANADMVAAQ0M20uQaQIorLhRAAAAAQFQi7MAMg9pusBmENZrAyYu15t8mgZ7KI7ySTdccvC1fdf',
    'Z36Jl3dwllsyiqhiCTKF0sVHRAAAgAUNAAxd7efnFQAWADUVAAQgNSKmHXIARE0/AQAABg0ADOGQHewVABYANhUA',
    'BDQ2DhyQ03Uhe81EAACABw1EDLt2ie8RAAAxFQANADcVAAQgN76lcdhIsJRDAQAACA0ADK5kAPIRAAAyFQANADgV',
    'AAQgODq35qe8rz4TAQAACQ0ADHEkwPMRAAAwFQANADkVAAQwObF38j6KXF6FRgAAABpLFj2YwAAmxyPs6OCelTZJ',
    'oGscLvg9aK2bueklKI5P1vCKlYzifsHRIVniSCiwdR/43yNzyB5ZqkxA/PHD3RcU6hgAAIyDa+A5ar7LHjn8EECt',
    'lqDiCR4g1EsOMqwLDUAeGYIQQLYrIfoJHiCec5xgjjpfTAAJnBEFFQDlRgAKHGluZGV4LmRiFQB1CDYwNxkAZwJx',
    '8xUAQjI7BHoACgwwNTQyFQAHDDM0MDIZAGIA8EILAwfcAwKQi+32+4WK6jEK7K6Jov+FiuoxAwNvLjIDAQEDby4x',
    'AQEDby4wAwEBAQHcAwIACtyjnKsDAgAAFgIBAAAAHvsJEAAAAAAQ7YQRBhUA6AgBAAEeVggcmx3QDijYTKUVAJYQ',
    'b2JzL0M2ARLuEx4VAA0AMAkBPvgRERBKABoMMjYxMRkAYgKJAHHzFQBBMvMEggAIBDEwFQAICDM3NxkAYgB+ACI0',
    'OTE4NjMwMzAxWiIsIk4JADBDIiwiZHVyYWJsZV9uGRMdC2RkZWxpdmVyX3BvbGljeSI6ImFsbCIsImFjaxkTHGV4',
    'cGxpY2l0DRgYd2FpdCI6M8UqBQUW/iENShb1IRRyZXBsYXkZQxxpbnN0YW50IhYpIix3YWl0aW5nIjo1MTIJEgVw',
    'IGVuZGluZyI6MRLUITYFIgAwiishUCwicGF1c2VfdW50aWwiOiIwMDAxLQUDKFQwMDowMDowMFoiIlAhMvkCEQ0V',
    'AJOJAEYACO4THhUACCXP+fA+EABSAAgANBkAbgJx8xUAPDL6BH4ACEYAIgwzNDIzGQBjADRmN2UxMTY4ODk3MGZm',
    'ZhkA7QBKAAgQby5kYXRRBhUAPOnvQvgpHggITgAICDExNe4ACBkALAJx8xUAQTI+BIYACAAzFQAHBDI37gAYGQAo',
    'AEAWAgMFBQcC7o2NsA0BAQICAi7OFxELGQDXBA==',
  ].join(''),
  'base64',
)
const STATE = { messages: 7, first_seq: 2, last_seq: 10, num_deleted: 2, consumer_count: 1 }
const REQUEST = { config: { name: 'OLD', subjects: ['o.*'] }, state: STATE }

describe('a backup of the old kind', () => {
  it('is the stream that it was made of', async () => {
    const world = await StreamWorld.start()
    const { deliver_subject } = await world.port.api<{ deliver_subject: string }>(
      'STREAM.RESTORE.OLD',
      REQUEST,
    )
    for (let at = 0; at < BACKUP.length; at += 500) {
      assert.equal(await upload(world, deliver_subject, BACKUP.subarray(at, at + 500)), '')
    }
    assert.match(await upload(world, deliver_subject, NO_BYTES), /"messages":7/)
    const stream = world.engine.stream('OLD')
    assert.ok(stream !== undefined)
    const { messages, firstSeq, lastSeq, deleted } = stream.store.state
    assert.deepEqual([messages, firstSeq, lastSeq, deleted], [7, 2, 10, 2])
    const read = await stream.store.read({ fromSeq: 1, messagesMax: 99, bytesMax: 1e6 })
    assert.deepEqual(
      read.messages.map(({ seq, subject, payload }) => `${seq} ${subject} ${textOf(payload)}`),
      [2, 3, 5, 6, 7, 8, 9].map((seq) => `${seq} o.${seq % 3} message ${seq}`),
    )
    assert.equal(textOf(read.messages[0]?.headers), 'NATS/1.0\r\nKind: k2\r\n\r\n')
    assert.equal(new Date(read.messages[0]?.timeMs ?? 0).toISOString().slice(0, 10), '2026-11-21')
    const info = stream.consumers.get('C')?.info()
    assert.deepEqual(info?.['delivered'], { consumer_seq: 5, stream_seq: 7 })
    assert.deepEqual(info?.['ack_floor'], { consumer_seq: 3, stream_seq: 5 })
    assert.equal(info?.['num_ack_pending'], 2)
    assert.equal(info?.['num_pending'], 2)
    await world.crash()
    assert.equal(world.engine.stream('OLD')?.store.state.messages, 7)
  })

  it('is refused when it is cut, and says so of every length', () => {
    for (let length = 0; length < BACKUP.length; length += 7) {
      const reader = new BackupReader(1e6)
      const entries = [...reader.push(BACKUP.subarray(0, length))]
      assert.ok(!entries.some(({ timeNs, seq }) => timeNs === 0n && seq === 0), `${length} bytes`)
    }
    const whole = [...new BackupReader(1e6).push(BACKUP)]
    assert.equal(whole.at(-1)?.timeNs, 0n)
  })
})

describe('records of such a backup', () => {
  const tar = Buffer.concat([...new S2Reader().push(BACKUP)])
  const damagedAt = (at: number): Buffer => {
    const damaged = Buffer.from(tar)
    damaged[at] = (damaged[at] ?? 0) ^ 1
    return Buffer.concat([s2Begin(), s2Frames(damaged)])
  }

  it('are passed over when they do not match their checksums, and the others are there', () => {
    const seqs = (bytes: Uint8Array) => [...new BackupReader(1e6).push(bytes)].map(({ seq }) => seq)
    const all = seqs(Buffer.concat([s2Begin(), s2Frames(tar)]))
    const at = tar.indexOf('message 5')
    for (let byte = at; byte < at + 'message 5'.length; byte++) {
      const entries = [...new BackupReader(1e6).push(damagedAt(byte))]
      assert.deepEqual(
        entries.filter(({ damagedBytes }) => damagedBytes !== undefined).map(({ seq }) => seq),
        [5],
      )
      assert.deepEqual(
        entries.map(({ seq }) => seq),
        all,
      )
    }
  })

  for (const [what, at, msgs] of [
    ['payload', tar.indexOf('message 5'), [5]],
    ['sequence', tar.lastIndexOf('o.2', tar.indexOf('message 5')) - 17, []],
  ] as const)
    it(`cost one message when a ${what} is damaged, which the answer tells`, async () => {
      const world = await StreamWorld.start()
      const { deliver_subject } = await world.port.api<{ deliver_subject: string }>(
        'STREAM.RESTORE.OLD',
        REQUEST,
      )
      await upload(world, deliver_subject, damagedAt(at))
      const { state } = JSON.parse(await upload(world, deliver_subject, NO_BYTES))
      assert.equal(state.messages, 6)
      assert.deepEqual(state.lost.msgs, msgs)
      assert.ok(state.lost.bytes > 'message 5'.length, `${state.lost.bytes}`)
      const { store } = world.engine.stream('OLD')!
      assert.deepEqual([store.has(4), store.has(5), store.has(6)], [false, false, true])
      assert.equal(store.state.lastSeq, 10)
    })

  it('have the hash of its authors, of every length of a rest', () => {
    // From the reference implementation's own test: key 0, 1, 2 …, bytes 0, 1, 2 …
    const vectors: Readonly<Record<number, string>> = {
      0: '907a56de22c26e53',
      1: '7eab43aac7cddd78',
      2: 'b8d0569ab0b53d62',
      3: '5c6befab8a463d80',
      7: '4d02ae1738f59482',
      15: '40793f86a449f33b',
      16: 'cfab3489f97eb832',
      17: '19fe67d2c8c5c0e2',
      31: '9fc7007ccf035a68',
      32: 'a0c964d9ecd580fc',
      63: 'ab8eebe9bf2139a0',
      64: '75542c5d4cd2a6ff',
    }
    const hash = new HighwayHash(Uint8Array.from({ length: 32 }, (_, i) => i))
    for (const [length, expected] of Object.entries(vectors)) {
      const bytes = Uint8Array.from({ length: Number(length) }, (_, i) => i)
      assert.equal(hash.digest(bytes).readBigUInt64LE().toString(16), expected, `${length} bytes`)
    }
  })
})

async function upload(world: StreamWorld, subject: string, bytes: Uint8Array): Promise<string> {
  const reply = world.port.newInbox()
  const answered = world.port.next(reply)
  world.port.publish(subject, reply, NO_BYTES, bytes)
  return (await answered).payload
}

function textOf(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? NO_BYTES).toString()
}
