export { readJobRequest, type Command, type EncodedVariable, type JobFile, type JobRequest } from './job-request.ts';
