#!/usr/bin/env bash
# The first task of server.example.yaml.
echo "Hello from $(hostname), task $SEMAPHORE_TASK_ID"
