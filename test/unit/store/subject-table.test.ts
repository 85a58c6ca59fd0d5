import assert from 'node:assert/strict'
import { SubjectTable } from '../../../shared/store/subject-table.ts'

describe('subject table', () => {
  const intern = (table: SubjectTable, subject: string): number => {
    const bytes = Buffer.from(subject)
    return table.intern(bytes, 0, bytes.length)
  }
  const find = (table: SubjectTable, subject: string): number => {
    const bytes = Buffer.from(subject)
    return table.find(bytes, 0, bytes.length)
  }

  it('takes many subjects before the first message of any is counted', () => {
    const table = new SubjectTable()
    for (let i = 0; i < 5000; i++) assert.equal(intern(table, `s.${i}`), i)
    for (let i = 0; i < 5000; i++) assert.equal(find(table, `s.${i}`), i)
    assert.equal(find(table, 's.5000'), -1)
  })

  it('uses the ids of subjects that are gone again, and finds all others', () => {
    const table = new SubjectTable()
    const live = new Map<string, number>()
    for (let i = 0; i < 20_000; i++) {
      const id = intern(table, `subject.${i}`)
      table.add(id, i + 1)
      live.set(`subject.${i}`, id)
      if (i < 100) continue
      const old = `subject.${i - 100}`
      table.remove(live.get(old) ?? -1, i - 99)
      live.delete(old)
    }
    assert.equal(table.size, live.size)
    assert.ok(table.idEnd <= 101)
    for (const [subject, id] of live) {
      assert.equal(find(table, subject), id)
      assert.equal(Buffer.from(table.bytes(id)).toString(), subject)
    }
  })
})
