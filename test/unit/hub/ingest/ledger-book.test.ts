import assert from 'node:assert/strict'
import { type LedgerAccount, LedgerBook } from '../../../../hub/ingest/index.ts'
import { INCARNATIONS_MAX, openEntry } from '../../../../shared/sync/index.ts'
import { MemoryStore } from '../../../support/memory-store.ts'

const LEAF = 'press-7'

describe('ledger book', () => {
  let store: MemoryStore
  let book: LedgerBook
  beforeEach(() => {
    store = new MemoryStore(() => 0)
    store.isAuto = false
    book = new LedgerBook(store.marks)
  })

  const open = (i: number, buffer = 't') => book.open(LEAF, buffer, `inc-${i}`, openEntry(0))
  const names = () => book.incarnations(LEAF, 't').map(({ incarnation }) => incarnation)

  /** Ten sequences settled, one of them evicted. */
  function write(account: LedgerAccount): void {
    const entry = { ...openEntry(0), watermark: 10, stored: 9, evicted: 1 }
    book.write(account, entry, (error) => {
      if (error === undefined) account.committed = entry
      else account.staged = account.committed
    })
    account.staged = entry
  }

  function fill(): void {
    for (let i = 1; i <= INCARNATIONS_MAX; i++) {
      write(open(i))
      store.commit()
    }
  }

  it('keeps one announcement of a buffer, and so many of a leaf', () => {
    fill()
    for (let i = 100; i < 1_000; i++) open(i)
    assert.equal(names().length, INCARNATIONS_MAX + 1)
    assert.equal(names().at(-1), 'inc-999')
    assert.equal(book.knowsHistory('t', 'inc-500'), false)
    for (let i = 0; i < 1_000; i++) open(i, `buffer-${i}`)
    assert.equal(book.buffersOf(LEAF).length, 1 + 256)
    assert.notEqual(book.find(LEAF, 't', 'inc-1'), undefined, 'what is written stays')
  })

  it('lets the oldest go with the commit of a new one, and counts it once', () => {
    fill()
    open(50)
    const account = open(51)
    write(account)
    write(account)
    assert.equal(book.find(LEAF, 't', 'inc-1'), undefined)
    store.commit()
    assert.deepEqual([names().length, names()[0]], [INCARNATIONS_MAX, 'inc-2'])
    assert.equal(book.totals(LEAF, 't')?.evicted, INCARNATIONS_MAX + 1)
    const after = new LedgerBook(store.marks)
    assert.equal(after.totals(LEAF, 't')?.evicted, INCARNATIONS_MAX + 1)
    assert.equal(after.incarnations(LEAF, 't').length, INCARNATIONS_MAX)
  })

  it('knows the newest watermark when the newest record of one of its two copies is damaged', () => {
    const account = open(1)
    write(account)
    store.commit()
    const older = new Map(store.marks.entries())
    book.write(account, { ...openEntry(0), watermark: 20, stored: 20 })
    store.commit()
    const keys = [...older.keys()].filter((key) => key.includes('inc-1'))
    assert.equal(keys.length, 2)
    for (const key of keys) {
      for (const shown of [older.get(key), undefined]) {
        const newest = store.marks.get(key)
        assert.ok(newest)
        if (shown === undefined) store.marks.remove(key)
        else store.marks.set(key, shown)
        store.commit()
        const after = new LedgerBook(store.marks)
        assert.equal(after.find(LEAF, 't', 'inc-1')?.committed.watermark, 20)
        store.marks.set(key, newest)
        store.commit()
      }
    }
  })

  it('keeps the oldest when the commit of the new one fails', () => {
    fill()
    write(open(51))
    store.failCommit()
    assert.notEqual(book.find(LEAF, 't', 'inc-1'), undefined)
    assert.equal(book.totals(LEAF, 't')?.evicted, INCARNATIONS_MAX)
    open(52)
    assert.equal(book.find(LEAF, 't', 'inc-51'), undefined, 'it is an announcement again')
  })

  it('releases a leaf when that is on disk, and not before', async () => {
    fill()
    const failed = assert.rejects(book.release(LEAF))
    store.failCommit()
    await failed
    assert.equal(book.totals(LEAF, 't')?.evicted, INCARNATIONS_MAX)
    const released = book.release(LEAF)
    assert.equal(book.totals(LEAF, 't')?.evicted, INCARNATIONS_MAX)
    store.commit()
    await released
    assert.equal(book.totals(LEAF, 't')?.evicted, 0)
  })
})
