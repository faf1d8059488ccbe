#!/usr/bin/env bash
# What the template "Say hello" of server.example.yaml runs.
echo "Hello from $(hostname), task $SEMAPHORE_TASK_DETAILS_ID. Arguments: $*"
