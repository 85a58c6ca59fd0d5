import assert from 'node:assert/strict'
import { FleetMarks } from '../../../../hub/fleet/index.ts'
import type { Committed, StateTable } from '../../../../shared/store/index.ts'

class MemoryMarks implements StateTable {
  readonly map = new Map<string, Uint8Array>()

  get(key: string): Uint8Array | undefined {
    return this.map.get(key)
  }

  set(key: string, value: Uint8Array, committed?: Committed): void {
    this.map.set(key, value)
    committed?.(undefined, 0)
  }

  remove(key: string, committed?: Committed): void {
    this.map.delete(key)
    committed?.(undefined, 0)
  }

  entries(): IterableIterator<[string, Uint8Array]> {
    return this.map.entries()
  }
}

const VALUE = Buffer.from('v')
const NAMES = ['A', 'A"', 'A"fleet:', '"', '\\', '\\"', 'B:', 'account:"A"', 'ä', '$G2']

describe('marks of the fleet', () => {
  it('are apart for each account, whatever it is called, also after a restart', () => {
    const table = new MemoryMarks()
    const marks = new FleetMarks(table)
    for (const name of NAMES) marks.of(name).set('fleet:press-7', Buffer.from(name))
    marks.default.set('fleet:press-7', Buffer.from('default'))
    const again = new FleetMarks(table)
    assert.deepEqual([...again.owners].sort(), [...NAMES].sort())
    for (const name of NAMES) {
      const entries = [...again.of(name).entries()].map(([key, value]) => [key, `${value}`])
      assert.deepEqual(entries, [['fleet:press-7', name]])
    }
    assert.equal(`${again.default.get('fleet:press-7')}`, 'default')
  })

  it('of the default account are where they were before there were others', () => {
    const table = new MemoryMarks()
    table.set('sync:["press-7","t","inc"]', VALUE)
    const marks = new FleetMarks(table)
    assert.deepEqual(marks.owners, [])
    assert.equal(marks.default.get('sync:["press-7","t","inc"]'), VALUE)
  })

  it('leave nothing of an account whose last one is removed', () => {
    const table = new MemoryMarks()
    const marks = new FleetMarks(table)
    const own = marks.of('A')
    own.set('a', VALUE)
    own.remove('a')
    assert.deepEqual([marks.has('A'), [...own.entries()], table.map.size], [false, [], 0])
  })
})
