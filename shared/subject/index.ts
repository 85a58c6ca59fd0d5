/** Subjects and their wildcards: rules, one compiled filter, and a tree of many. */
export { isLiteral, isValidSubject, overlaps, subsetOf } from './subject.ts'
export { SubjectFilter } from './subject-filter.ts'
export { SubjectTree } from './subject-tree.ts'
