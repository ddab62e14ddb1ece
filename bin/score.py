#!/usr/bin/env python3
from agave_tf.commands.score import main

main()
