import assert from 'node:assert/strict'
import { PackReader, PackWriter } from '../../../shared/store/pack.ts'
import { Span } from '../../../shared/store/span.ts'
import { packSpan, unpackSpan } from '../../../shared/store/span-pack.ts'
import { inMemory, StreamSubjects } from '../../../shared/store/stream-subjects.ts'

/** More than a function can be called with. */
const SUBJECTS = 200_000

describe('span in an index', () => {
  it('comes back as it was, also with very many subjects that have other ids there', () => {
    const table = new StreamSubjects(inMemory())
    const span = new Span(7, 1)
    for (let i = 0; i < SUBJECTS; i++) {
      const bytes = Buffer.from(`subject.${i}`)
      const subjectId = table.intern(bytes, 0, bytes.length)
      const hasHeaders = i % 3 === 0
      const at = { seq: i + 1, offset: i * 80, length: 80, wallMs: i, wrongBoot: 0 }
      span.push({ ...at, hasHeaders, subjectId })
      if (i % 7 === 0) span.markNewest()
    }
    for (let i = 0; i < SUBJECTS; i += 5) span.kill(i)
    const out = new PackWriter()
    packSpan(out, span, table)
    const other = new StreamSubjects(inMemory())
    const first = Buffer.from('another')
    other.intern(first, 0, first.length)
    const back = unpackSpan(new PackReader(out.finish()), 7, other)
    assert.ok(back)
    assert.equal(back.liveCount, span.liveCount)
    assert.equal(back.liveBytes, span.liveBytes)
    assert.equal(back.liveHeaded, span.liveHeaded)
    assert.ok(back.liveHeaded > 0)
    for (let i = 0; i < SUBJECTS; i++) {
      assert.equal(back.isLive(i), i % 5 !== 0)
      assert.equal(back.marks?.has(i), i % 7 === 0)
      assert.equal(back.hasHeaders(i), i % 3 === 0)
      if (i % 5 === 0) continue
      const subject = Buffer.from(other.bytes(back.subjectIds.get(i))).toString()
      assert.equal(subject, `subject.${i}`)
    }
  })
})
