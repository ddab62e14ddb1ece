#!/usr/bin/env python3
from agave_tf.commands.evaluate import main

main()
