#!/usr/bin/env python3
from agave_tf.commands.benchmark import main

main()
