export { isLiteral, isValidSubject, overlaps, subsetOf } from './subject.ts'
export { SubjectFilter } from './subject-filter.ts'
