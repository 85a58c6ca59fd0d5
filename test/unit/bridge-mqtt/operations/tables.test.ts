import assert from 'node:assert/strict'
import { type ListName, renderDone, renderListing } from '../../../../bridge-mqtt/index.ts'

const NOW = Date.UTC(2030, 0, 2)
const SERVER = { id: 'NA', name: 'press-7', version: '1' }

function render(name: ListName, entries: Record<string, unknown>[], total = entries.length) {
  return renderListing(name, { server: SERVER, total, entries }, NOW)
}

describe('tables of petiole mqtt', () => {
  it('clients, of one account and of several', () => {
    const entry = {
      ...{
        account: 'A',
        client_id: 'sensor-1',
        version: '5',
        cid: 12,
        user: 'plant',
        ip: '10.0.0.7',
        port: 50_111,
      },
      ...{ connected_at: '2030-01-01T21:55:00.000Z', idle_s: 3, subscriptions: 2, in_msgs: 12_345 },
      ...{ in_bytes: 1, out_msgs: 0, out_bytes: 0, pending_bytes: 2_048 },
    }
    assert.equal(
      render('clients', [entry]),
      [
        '1 client at press-7',
        '',
        'CLIENT    MQTT  USER   ADDRESS         CID     UP  IDLE  SUBS      IN  OUT  PENDING',
        'sensor-1  5     plant  10.0.0.7:50111   12  2h05m    3s     2  12,345    0     2.0K',
        '',
      ].join('\n'),
    )
    const others = render('clients', [entry, { ...entry, account: 'B', user: '', ip: '::1' }], 9)
    assert.match(others, /^9 clients at press-7, 2 shown\n\nACCOUNT {2}CLIENT/)
    assert.match(others, /\nB {8}sensor-1 {2}5 {5}- {6}\[::1\]:50111/)
  })

  it('sessions and retained messages', () => {
    const session = {
      ...{ account: 'A', client_id: 'a', connected: false, created_at: '2029-12-31T23:00:00.000Z' },
      ...{ away_s: 90, expiry_s: 7_260, subscriptions: 1, inflight: 2, backlog_msgs: 1_000_000 },
    }
    const forever = { ...session, client_id: 'b', connected: true, away_s: null, expiry_s: null }
    assert.equal(
      render('sessions', [session, forever]),
      [
        '2 sessions at press-7',
        '',
        'CLIENT  STATE        AGE   AWAY  EXPIRY  SUBS  INFLIGHT    BACKLOG',
        'a       offline    1d01h  1m30s   2h01m     1         2  1,000,000',
        'b       connected  1d01h      -   never     1         2  1,000,000',
        '',
      ].join('\n'),
    )
    const retained = {
      account: 'A',
      topic: 'a/b',
      bytes: 5e9,
      qos: 1,
      stored_at: '2030-01-01T23:58:00.000Z',
      expiry_s: 59,
    }
    assert.equal(
      render('retained', [retained]),
      '1 retained message at press-7\n\nTOPIC  QOS  BYTES    AGE  EXPIRY\na/b      1   4.7G  2m00s     59s\n',
    )
    assert.equal(render('retained', []), '0 retained messages at press-7\n')
  })

  it('what is not known is a question mark', () => {
    assert.match(render('clients', [{ client_id: null }]), /\n\? +\? +\? +\?:\? +\?/)
  })

  it('a device cannot write to the terminal with its name', () => {
    const evil = '\u001b]0;owned\u0007\u009b31m\u202eb\u2028\u200b\n'
    const shown = render('clients', [{ client_id: evil, account: 'A', user: evil }])
    assert.doesNotMatch(shown.replaceAll('\n', ''), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
    assert.equal(shown.split('\n').length, 5)
    assert.match(shown, /\\u\{1b\}\]0;owned\\u\{7\}\\u\{9b\}31m\\u\{202e\}b\\u\{2028\}/)
    assert.equal(
      renderDone('KICK', { kicked: '\u001bx', account: 'A' }),
      'kicked \\u{1b}x (account A)',
    )
  })

  it('a hundred thousand rows are none too many', () => {
    const entries = Array.from({ length: 100_000 }, (_, i) => ({ client_id: `c${i}` }))
    assert.equal(render('sessions', entries).split('\n').length, 100_004)
  })
})
