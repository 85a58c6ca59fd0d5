import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { LEVEL, type Level, type Side } from '../../../bridge-mqtt/codec/index.ts'
import { packetOf, readPacket } from '../../support/mqtt-codec.ts'
import { FROM_CLIENT_3, FROM_SERVER_3, type Row3 } from './packets-3.ts'
import { FROM_CLIENT, FROM_SERVER, type Row } from './packets-5.ts'
import { PROOFS } from './proofs.ts'
import { DOCUMENT, document, STANDINGS, VERSIONS } from './table.ts'

/** Statements in the appendices of both specifications. */
const COUNTS = [251, 141]

describe('MQTT: packets and the statements about them', () => {
  for (const [from, rows] of [
    ['client', FROM_CLIENT],
    ['server', FROM_SERVER],
  ] as const) {
    describe(`MQTT 5, of a ${from}`, () => {
      for (const row of rows) check5(row, from)
    })
  }
  for (const [from, rows] of [
    ['client', FROM_CLIENT_3],
    ['server', FROM_SERVER_3],
  ] as const) {
    describe(`MQTT 3.1.1, of a ${from}`, () => {
      for (const row of rows) check3(row, from)
    })
  }
  for (const { of5, of3, name, prove } of PROOFS) it(`[${of5}] [${of3}] ${name}`, prove)
})

describe('MQTT: the table of statements', () => {
  for (const [i, { title, statements, shown, door }] of VERSIONS.entries()) {
    it(`${title} has all of them, in order, and each stands somehow`, () => {
      assert.equal(statements.length, COUNTS[i])
      const sorted = statements.toSorted((a, b) => compare(a.id, b.id))
      assert.deepEqual(statements, sorted)
      assert.equal(new Set(statements.map(({ id }) => id)).size, statements.length)
      const odd = statements.filter(
        ({ standing, words }) => !STANDINGS.some((it) => it === standing) || words === '',
      )
      assert.deepEqual(odd, [])
    })

    it(`${title}: what is said to be shown is`, () => {
      const wrong = statements.filter(({ id, standing }) => {
        if (standing === 'codec') return !shown.has(id)
        if (standing === 'door') return !door.has(id)
        if (standing === 'both') return !shown.has(id) || !door.has(id)
        return shown.has(id)
      })
      assert.deepEqual(wrong, [])
    })

    it(`${title}: rows and proofs name statements, or sections, that there are`, () => {
      const known = new Set(statements.map(({ id }) => id))
      const unknown = [...shown].filter((id) => id.includes('-') && !known.has(id))
      assert.deepEqual(unknown, [])
    })
  }

  it('docs/mqtt-normative.md says the same', () => {
    if (process.env['UPDATE_DOCS'] === '1') writeFileSync(DOCUMENT, document())
    assert.equal(readFileSync(DOCUMENT, 'utf8'), document())
  })
})

function check5([ids, name, first, body, expected]: Row, from: Side): void {
  const said = expected === 'ok' ? 'ok' : `0x${expected.toString(16)}`
  it(`[${ids}] ${name}: ${said}`, () => {
    const verdict = readPacket(packetOf(first, body), LEVEL.v5, from)
    assert.ok(verdict !== 'partial')
    if (!('violation' in verdict)) {
      assert.equal('ok', expected)
      return
    }
    const { rule5, reason, text } = verdict.violation
    assert.deepEqual([reason, rule5], [expected, `MQTT-${ids.split(' ')[0]}`], text)
  })
}

function check3([ids, name, first, body, expected, level = LEVEL.v311]: Row3, from: Side): void {
  it(`[${ids}] ${name}: ${expected}`, () => {
    const verdict = readPacket(packetOf(first, body), level satisfies Level, from)
    assert.ok(verdict !== 'partial')
    if (!('violation' in verdict)) {
      assert.equal('ok', expected)
      return
    }
    const { rule, text } = verdict.violation
    assert.deepEqual(['close', rule], [expected, `MQTT-${ids.split(' ')[0]}`], text)
  })
}

/** By section, then by number. */
function compare(a: string, b: string): number {
  const [x, y] = [a, b].map((id) => id.split(/[.-]/).map(Number))
  for (const [i, n] of (x ?? []).entries()) {
    if (n !== y?.[i]) return n - (y?.[i] ?? 0)
  }
  return 0
}
